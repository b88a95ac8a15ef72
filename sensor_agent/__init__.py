"""The shell on the Pi: pins in, occupancy out. The only importer of gpiozero.

`inputs` are the sensors (`analogue`, `carbon_dioxide`, `beams`; `mocks` move them without hardware), `author` dates
what they say, `ledger` numbers and writes events into the outbox, `courier` delivers them, `herald` says what holds;
`agent` ties the three to one outbox and one connection. `keepsakes` outlive restarts, `upkeep` looks after the outbox's
file, `replay` runs a recording through the pins, `walk` is what an installer does on the first day.
"""
