"""What is true right now, as rows for `zone_now` and `fleet`: the live overlay is never stored anywhere else.

Rows are offered to whoever writes them and never waited for. Everything runs on the collector's one loop: `hear` takes
in retained states and statuses, `settle` lets time pass.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from perch import contract
from perch.adapters.influx.line_protocol import fleet_line, zone_now_line
from perch.contract import VALID_FOR_MS, Address, Status
from perch.delivery.board import Board, Key
from perch.delivery.fleet import Fleet
from perch.delivery.liveness import Instant, Report
from perch.history.layout import layout_at
from perch.model import QUARTER_MS, Site, Space, State

ALL_ZONES_MS = 15_000
COALESCE_MS = 1_000
"""Changes within a second make one row a zone: at a start, hundreds of retained states come at once."""


class Group(NamedTuple):
    """The tags of a row of `zone_now`."""

    site: str
    floor: str
    zone: str
    kind: str


class Network:
    """The layout of all sites as it stands at a moment, until `until_ms`."""

    def __init__(self, sites: Sequence[Site], wall_ms: int) -> None:
        layout = layout_at(sites, wall_ms)
        self.until_ms = layout.until_ms
        self.homes: Mapping[Key, str] = layout.homes
        self.groups: Mapping[Group, list[Key]] = _grouped(layout.spaces)
        self.group_of: Mapping[Key, Group] = {key: group for group, keys in self.groups.items() for key in keys}
        self.agents: frozenset[Key] = frozenset((site.id, agent) for site in sites for agent in site.agents)

    def __repr__(self) -> str:
        return f"<Network of {len(self.group_of)} spaces and {len(self.agents)} agents>"


class Live:
    """Turns what is heard into rows, which it hands to `offer`, when something changes and at times.

    Owns no clock. One thread calls it.
    """

    def __init__(self, sites: Sequence[Site], offer: Callable[[Iterable[str]], None], now: Instant) -> None:
        self._sites = sites
        self._offer = offer
        self._network = Network(sites, now.wall_ms)
        self._board = Board(self._network.homes)
        self._fleet = Fleet[Status](VALID_FOR_MS)
        self._changed: set[Group] = set()
        self._shown: dict[Group, Counter[State]] = {}
        self._told: dict[Key, tuple[bool, int, int]] = {}
        self._look_ms = now.mono_ms + COALESCE_MS
        self._all_zones_ms = now.mono_ms + ALL_ZONES_MS
        self._patient_until_ms = now.mono_ms + VALID_FOR_MS
        self._quarter = now.wall_ms // QUARTER_MS

    def __repr__(self) -> str:
        return f"<Live, {self._network!r}, {self._board!r}>"

    def hear(self, address: Address, payload: bytes, now: Instant, *, retained: bool) -> None:
        """Take in a message on `state` or `status`; raises ContractError. An empty one only ends what was retained."""
        if not payload:
            return
        agent = (address.site, address.agent)
        if address.space is None:
            status = contract.parse_status(payload)
            if agent in self._network.agents:
                self._fleet.hear_status(agent, status, now, retained=retained)
                self._note(self._board.hear_status(*agent, status.online, status.epoch, now))
        else:
            state = contract.parse_state(payload)
            report = Report(state.epoch, state.occupancy(), state.sent_ms, state.valid_for_ms, state.clock)
            if agent in self._network.agents:
                self._fleet.hear_state(agent, report, now, retained=retained)
            self._note(self._board.hear_state(*agent, address.space, report, now, retained))

    def settle(self, now: Instant) -> None:
        """Offer the rows that have become due; call it several times a second."""
        if now.mono_ms < self._look_ms:
            return
        self._look_ms = now.mono_ms + COALESCE_MS
        if now.wall_ms >= self._network.until_ms:
            self._move(now)
        self._note(self._board.tick(now))
        rows = [*self._zone_rows(now), *self._fleet_rows(now)]
        if rows:
            self._offer(rows)

    def _move(self, now: Instant) -> None:
        self._network = Network(self._sites, now.wall_ms)
        self._board.set_homes(self._network.homes)
        self._changed = set(self._network.groups)

    def _note(self, keys: Iterable[Key]) -> None:
        self._changed.update(self._network.group_of[key] for key in keys)

    def _zone_rows(self, now: Instant) -> list[str]:
        every = now.mono_ms >= self._all_zones_ms
        if every:
            self._all_zones_ms = now.mono_ms + ALL_ZONES_MS
        looked_at = sorted(self._network.groups if every else self._changed)
        self._changed = set()
        return [row for group in looked_at if (row := self._zone_row(group, now, every=every))]

    def _zone_row(self, group: Group, now: Instant, *, every: bool) -> str | None:
        states = Counter(map(self._state, self._network.groups[group]))
        if not every and self._shown.get(group) == states:
            return None
        self._shown[group] = states
        return zone_now_line(
            *group,
            now.wall_ms,
            free=states[State.FREE],
            occupied=states[State.OCCUPIED],
            unknown=states[State.UNKNOWN],
        )

    def _state(self, key: Key) -> State:
        return self._board.occupancy(*key).state

    def _fleet_rows(self, now: Instant) -> list[str]:
        quarter = now.wall_ms // QUARTER_MS
        every, self._quarter = quarter != self._quarter, quarter
        rows = []
        for agent in sorted(self._network.agents):
            if self._is_awaited(agent, now):
                continue
            told = self._tell(agent, now)
            if every or self._told.get(agent) != told:
                self._told[agent] = told
                online, outbox, silent = told
                rows.append(fleet_line(*agent, now.wall_ms, online=online, outbox=outbox, silent_sensors=silent))
        return rows

    def _is_awaited(self, agent: Key, now: Instant) -> bool:
        """Whether nothing is to be said yet of an agent: it may well be online, its next heartbeat has not come."""
        if now.mono_ms >= self._patient_until_ms or agent in self._told or self._fleet.online(agent, now):
            return False
        known = self._fleet.get(agent)
        return known is None or known.says_online

    def _tell(self, agent: Key, now: Instant) -> tuple[bool, int, int]:
        """Give online, outbox, and how many sensors of an agent are silent or otherwise ill."""
        known = self._fleet.get(agent)
        if known is None:
            return False, 0, 0
        silent = sum(sensor.health.is_ill for sensor in known.status.sensors.values())
        return self._fleet.online(agent, now), known.status.outbox, silent


def _grouped(spaces: Mapping[Key, Space]) -> dict[Group, list[Key]]:
    groups: dict[Group, list[Key]] = {}
    for (site, _), space in spaces.items():
        group = Group(site, space.floor, space.zone, space.kind)
        groups.setdefault(group, []).append((site, space.id))
    return groups
