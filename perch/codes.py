"""The numbers that stand for states, reasons, clocks and datings wherever Perch writes them to disk.

A place in these tables is for ever: new values are appended, none is moved or taken away.
"""

from collections.abc import Mapping

from perch.model import Clock, Dating, Reason, State

STATES = (State.FREE, State.OCCUPIED, State.UNKNOWN)
REASONS = (
    Reason.MOTION,
    Reason.PRESENCE,
    Reason.COUNT,
    Reason.HELD,
    Reason.QUIET,
    Reason.STARTING,
    Reason.AGENT_OFFLINE,
    Reason.SENSOR_SILENT,
    Reason.SENSOR_STUCK,
    Reason.EVENTS_LOST,
    Reason.OUT_OF_SERVICE,
    Reason.NEVER_REPORTED,
)
CLOCKS = (Clock.OK, Clock.UNSYNCED)
DATINGS = (Dating.OK, Dating.PLACED, Dating.ESTIMATED)

STATE_CODES: Mapping[State, int] = {state: code for code, state in enumerate(STATES)}
REASON_CODES: Mapping[Reason, int] = {reason: code for code, reason in enumerate(REASONS)}
CLOCK_CODES: Mapping[Clock, int] = {clock: code for code, clock in enumerate(CLOCKS)}
DATING_CODES: Mapping[Dating, int] = {dating: code for code, dating in enumerate(DATINGS)}
