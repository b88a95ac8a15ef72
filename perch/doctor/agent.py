"""Everything that an agent needs, as checks."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from perch.adapters import age
from perch.adapters.health.clock_probe import look_at_clock as clock
from perch.doctor.agent_broker import look_at_broker
from perch.doctor.clock import look_at_clock
from perch.doctor.disk import MIB, look_at_disk
from perch.doctor.examining import Check
from perch.doctor.findings import Finding, counted, ok, warn
from perch.doctor.outbox import look_at_outbox_state, outbox_state
from perch.doctor.versions import look_at_versions
from perch.sensing.judge import deaf
from perch.settings import AgentSettings

ROOMY_BYTES = 200 * MIB


def agent_checks(settings: AgentSettings, path: Path) -> list[Check]:
    """Make the checks of an agent; those of its pins are the shell's, which knows them."""
    return [
        Check("configuration", partial(_configuration, settings, path)),
        Check("broker", partial(_broker_and_outbox, settings), 25.0),
        Check("clock", lambda: look_at_clock(clock())),
        Check("disk", partial(look_at_disk, settings.data, ROOMY_BYTES)),
        Check("versions", look_at_versions),
    ]


def _configuration(settings: AgentSettings, path: Path) -> Iterator[Finding]:
    sensing = settings.sensing
    holds = f"{counted(len(sensing.spaces), 'space')}, {counted(len(sensing.sensors), 'sensor')}"
    yield ok("configuration", f"{path}: agent {settings.site}/{settings.agent}, {holds}")
    if spaces := deaf(sensing.spaces, sensing.sensors):
        what = f"nothing can say that they are empty, so they stay unknown: {', '.join(spaces)}"
        yield warn(
            "configuration",
            what,
            "give them a sensor that sees people: motion, presence, pressure, distance, beams, CO2",
        )


def _broker_and_outbox(settings: AgentSettings) -> Iterator[Finding]:
    """Look at the outbox first: what it holds, and who has it open, says how the broker may be looked at."""
    now = age.mark()
    state = outbox_state(settings.data)
    yield from look_at_outbox_state(state, settings.outbox_events, now)
    sample = state.look.sample if state.look is not None else None
    yield from look_at_broker(settings, state.well(now), sample)
