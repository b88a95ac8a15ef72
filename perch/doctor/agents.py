"""Agents as the broker keeps them: who is heard, who is in trouble, whose clock is ahead."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from perch.adapters import instants
from perch.adapters.broker.files import ROSTER
from perch.adapters.mqtt.connection import Received
from perch.contract import VALID_FOR_MS, Status, parse_state, parse_status, parse_topic
from perch.contract.roster import Roster, decode
from perch.contract.topics import user_name
from perch.delivery.board import Key
from perch.delivery.fleet import Fleet
from perch.delivery.liveness import Instant, Report
from perch.doctor.findings import Finding, counted, fault, ok, warn
from perch.errors import ContractError, PerchError
from perch.model import Clock, Site
from perch.sensing.drift import DRIFTS_A_DAY, in_words
from perch.settings import Enrolment

AHEAD_MS = 5_000
MANY_WAITING = 1_000
_NAMED = 5


def look_at_agents(
    sites: Sequence[Site], received: Sequence[Received], enrolment: Enrolment | None = None
) -> Iterator[Finding]:
    """Say of the agents of the layout what their retained messages tell; where they are enrolled, who may not come."""
    agents = [(site.id, agent) for site in sites for agent in site.agents]
    now = instants.now()
    fleet, ahead = Fleet[Status](VALID_FOR_MS), dict[Key, int]()
    for message in received:
        _hear(fleet, ahead, message, now)
    online = [agent for agent in agents if fleet.online(agent, now)]
    silent = [agent for agent in agents if agent not in online]
    if silent:
        yield from _silent(agents, silent, enrolment)
    else:
        yield ok("agents", f"{counted(len(agents), 'agent')} of the layout, and none is silent")
    yield from _troubles(fleet, online)
    yield from _sensors(fleet, online)
    if ahead:
        what = f"clocks are ahead of this machine's: {_names(list(ahead))} by up to {max(ahead.values()) // 1000} s"
        yield warn("agents", what, "set the clocks: what such an agent says is unknown to whoever connects anew")


def _silent(agents: Sequence[Key], silent: Sequence[Key], enrolment: Enrolment | None) -> Iterator[Finding]:
    """Tell agents that may not come in, as is wanted or not yet, from those that something is wrong with."""
    of_all, roster, remedy = (
        counted(len(agents), "agent"),
        None,
        "run perch doctor on them, or take them out of the layout",
    )
    if enrolment is not None and (roster := _roster(enrolment)) is None:
        remedy += "; perch agents list, as root, says which are revoked or were never invited"
    revoked = [key for key in silent if roster is not None and user_name(*key) in roster.revoked]
    uninvited = [key for key in silent if roster is not None and user_name(*key) not in roster.members]
    if missing := [key for key in silent if key not in (*revoked, *uninvited)]:
        yield warn("agents", f"{len(missing)} of {of_all} not heard: {_names(missing)}", remedy)
    if uninvited:
        what = f"{len(uninvited)} of {of_all} never invited, or not come: {_names(uninvited)}"
        yield warn("agents", what, "invite them: perch agents token, and perch enroll there")
    if revoked:
        yield ok("agents", f"{len(revoked)} of {of_all} revoked, and not heard: {_names(revoked)}")


def _roster(enrolment: Enrolment) -> Roster | None:
    """Read who may come in; None where that is for root alone, or nothing is prepared."""
    with suppress(OSError, PerchError):
        return decode((enrolment.folder / ROSTER).read_bytes())
    return None


def _hear(fleet: Fleet[Status], ahead: dict[Key, int], message: Received, now: Instant) -> None:
    try:
        address = parse_topic(message.topic)
        key = address.site, address.agent
        if address.channel == "status":
            fleet.hear_status(key, parse_status(message.payload), now, retained=message.retained)
        elif address.space is not None:
            state = parse_state(message.payload)
            report = Report(state.epoch, state.occupancy(), state.sent_ms, state.valid_for_ms, state.clock)
            fleet.hear_state(key, report, now, retained=message.retained)
            if state.clock is Clock.OK and state.sent_ms - now.wall_ms > AHEAD_MS:
                ahead[key] = max(ahead.get(key, 0), state.sent_ms - now.wall_ms)
    except ContractError:
        return


def _troubles(fleet: Fleet[Status], online: Sequence[Key]) -> Iterator[Finding]:
    noticed: dict[str, list[Key]] = {}
    for site, agent in online:
        known = fleet.get((site, agent))
        if known is None:
            continue
        if known.status.trouble:
            yield fault("agents", f"{site}/{agent}: {known.status.trouble}", "mend that; perch doctor there tells more")
        if known.status.notice:
            noticed.setdefault(known.status.notice, []).append((site, agent))
        if known.status.outbox > MANY_WAITING:
            what = f"{site}/{agent}: {known.status.outbox} events wait there to be acknowledged"
            yield warn("agents", what, "see that the collector runs, and that it may publish acknowledgements")
    for notice, keys in noticed.items():
        yield warn("agents", f"{_names(keys)}: {notice}", "nothing is wrong any more; see that it was meant so")


def _sensors(fleet: Fleet[Status], online: Sequence[Key]) -> Iterator[Finding]:
    statuses = [(agent, known.status) for agent in online if (known := fleet.get(agent)) is not None]
    sensors = [(agent, name, one) for agent, status in statuses for name, one in status.sensors.items()]
    ill = [f"{'/'.join(agent)} {name} ({one.health})" for agent, name, one in sensors if one.health.is_ill]
    if ill:
        what = f"{len(ill)} of {counted(len(sensors), 'sensor')} are ill: {_first(ill)}"
        yield warn("sensors", what, "look at their wires; perch walk shows what each says")
    elif sensors:
        yield ok("sensors", f"{counted(len(sensors), 'sensor')}, and none is ill")
    doors = {(agent, one.space): one.drift_a_day for agent, _, one in sensors if one.drift_a_day is not None}
    for (agent, space), a_day in doors.items():
        if abs(a_day) >= DRIFTS_A_DAY:
            what = f"doors of {agent[0]}/{space}: counted {in_words(a_day)}"
            yield warn("sensors", what, "see how the beams stand; until then other sensors there set the count right")


def _names(keys: Sequence[Key]) -> str:
    return _first([f"{site}/{agent}" for site, agent in keys])


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
