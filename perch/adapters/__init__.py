"""The world: each package speaks with one thing outside, and turns its failures into errors that say what to do.

`mqtt` is the broker by paho; `outbox`, `journal`, `history` and `quarantine` are SQLite files, over `sqlite`, `upgrade`
and `in_place`; `influx` is InfluxDB, `tables` CSV and Parquet, `bookings` calendars; `broker` writes mosquitto's files,
makes certificates and lets agents in; `backup` copies a server and brings it back; `health` is how a program does, for
others to read. Nothing here knows a shell.
"""
