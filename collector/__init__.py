"""The shell that stores: from the broker into the journal, and from there into everything that can be made anew.

`inbox` takes messages in, a queue for each agent, and `accounts` say how much each may ask for; `sorting` decides what
is new, `intake` writes it into the journal and acknowledges after the commit. A `follower` reads the journal in order
and keeps a projection: the history file, or InfluxDB. `live` tells what holds now, `alarms` says what somebody has to
look after, `chores` is what the command line asks of a running collector, and what is done now and then.
"""
