"""The one owner of what is live: board, fleet and feed, fed by the broker and by time, read by every answer.

Everything here runs on the event loop's thread. `hear` takes what the broker delivers; `settle` lets time pass, and is
called when something falls due and before each answer, so that no answer is older than its own deadline.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from api.directory import Directory, Key, Place, directory_at
from api.entrance.access import Matter, Reader, matter_of
from api.live import items
from api.live.feeds import Feeds, Sight
from api.live.shapes import AgentItem, SensorItem, SpaceItem
from perch.adapters.mqtt.connection import Received
from perch.contract import VALID_FOR_MS, Address, Status, parse_state, parse_status, parse_topic, topic
from perch.delivery.board import STALL_MS, Board
from perch.delivery.fleet import Fleet
from perch.delivery.liveness import Instant, Report
from perch.errors import ContractError
from perch.model import Occupancy, Purpose, Site

SUBSCRIPTIONS = (topic("+", "+", "state", "+"), topic("+", "+", "status"))
LONGEST_PAUSE_MS = 1_000
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Shown:
    """A space as it is shown: its item lacks only the age of the evidence, `coarse` is what members see."""

    place: Place
    occupancy: Occupancy
    item: SpaceItem
    coarse: SpaceItem

    def to(self, reader: Reader) -> SpaceItem:
        """Give the item as a reader sees it, without any age."""
        return self.item if reader.may_read(Matter.EXACT_TIMES) else self.coarse


class Live:
    """Live states of a network; `now` is the reader's clock, `version` grows with each change that can be seen."""

    def __init__(self, sites: Sequence[Site], now: Callable[[], Instant]) -> None:
        begin = now()
        self._sites = sites
        self._now = now
        self.directory = directory_at(sites, begin.wall_ms)
        self.fleet = Fleet[Status](VALID_FOR_MS)
        self.feeds = Feeds(begin.wall_ms * 1000)
        self.version = 0
        self._versions = Counter[tuple[str, Matter]]()
        self._stalls = 0
        self._settled_ms = begin.mono_ms
        self._board = Board(self.directory.homes)
        self._shown = {key: self._show(key) for key in self.directory.places}

    def __repr__(self) -> str:
        return f"<Live, version {self.version}, {self._board!r}, {self.fleet!r}, {self.feeds!r}>"

    def now(self) -> Instant:
        """Read the clock."""
        return self._now()

    def hear(self, received: Received) -> None:
        """Take in a message; one that breaks the contract or is not of the layout is left: the collector counts it."""
        self.wake()
        with suppress(ContractError):
            address = parse_topic(received.topic)
            if (address.site, address.agent) not in self.directory.spaces_of:
                return
            if address.space is not None:
                self._hear_state(address, address.space, received)
            else:
                self._hear_status(address, received)

    def _hear_state(self, address: Address, space: str, received: Received) -> None:
        state = parse_state(received.payload)
        key, now = (address.site, address.agent), self._now()
        report = Report(state.epoch, state.occupancy(), state.sent_ms, state.valid_for_ms, state.clock)
        ahead = self.fleet.ahead_minutes(key)
        self.fleet.hear_state(key, report, now, retained=received.retained)
        if self.fleet.ahead_minutes(key) != ahead:
            self._tell_of_agents({key}, now)
        self._changed(self._board.hear_state(*key, space, report, now, received.retained), now)

    def _hear_status(self, address: Address, received: Received) -> None:
        status = parse_status(received.payload)
        key, now = (address.site, address.agent), self._now()
        self.fleet.hear_status(key, status, now, retained=received.retained)
        self._changed(self._board.hear_status(*key, status.online, status.epoch, now), now)
        self._tell_of_agents({key, *self.fleet.turned(now)}, now)

    def settle(self) -> int:
        """Let time pass; gives in how many ms to call again at the latest."""
        now = self._now()
        self._settled_ms = now.mono_ms
        if now.wall_ms >= self.directory.until_ms:
            self._adopt(directory_at(self._sites, now.wall_ms))
        self._changed(self._board.tick(now), now)
        self._tell_of_agents(self.fleet.turned(now), now)
        if self._board.stalls != self._stalls:
            self._stalls = self._board.stalls
            self.feeds.break_off()
        deadline = self._board.deadline
        return LONGEST_PAUSE_MS if deadline is None else max(1, min(LONGEST_PAUSE_MS, deadline - now.mono_ms))

    def wake(self) -> None:
        """Let time pass if it was not let for long: this process stood still, and what it was about to say is old."""
        if self._now().mono_ms - self._settled_ms > STALL_MS:
            self.settle()

    def _adopt(self, directory: Directory) -> None:
        """Turn to a new day's layout; readers of events begin anew, as spaces may have come and gone."""
        changed = directory.places != self.directory.places
        self.directory = directory
        self._board.set_homes(directory.homes)
        self._shown = {key: self._show(key) for key in directory.places}
        for site in directory.sites:
            self._count(site, Matter.NETWORK)
        if changed:
            self.feeds.begin_anew()

    def _show(self, key: Key) -> Shown:
        place = self.directory.places[key]
        occupancy = self._board.occupancy(*key)
        coarse = items.space_item(place, items.coarsened(occupancy))
        return Shown(place, occupancy, items.space_item(place, occupancy), coarse)

    def _changed(self, keys: Iterable[Key], now: Instant) -> None:
        for key in keys:
            self._shown[key] = shown = self._show(key)
            self._count(key[0], matter := matter_of(shown.place.space))
            exact = _encoder.encode(self.item(shown, now))
            said = {Sight.WHOLE: exact}
            if matter is Matter.LIVE:
                said |= {Sight.EXACT: exact, Sight.COARSE: _encoder.encode(shown.coarse)}
            self.feeds.publish("space", shown.place, said, now.wall_ms * 1000)

    def _tell_of_agents(self, keys: Iterable[Key], now: Instant) -> None:
        for key in keys:
            if key in self.directory.spaces_of:
                self._count(key[0], Matter.FLEET)
                whole = self.agent_item(key, now)
                shared = _encoder.encode(self._of_shared(key, whole))
                said = {Sight.WHOLE: _encoder.encode(whole), Sight.EXACT: shared}
                self.feeds.publish("agent", key, said, now.wall_ms * 1000)

    def _count(self, site: str, matter: Matter) -> None:
        self.version += 1
        self._versions[site, matter] += 1

    def version_to(self, reader: Reader) -> int:
        """Give a number that grows with each change that a reader can see, and with no other."""
        seen = self._versions.items()
        return sum(n for (site, matter), n in seen if reader.may_see_site(site) and reader.may_read(matter))

    def all(self) -> Iterator[tuple[Key, Shown]]:
        """Give every space of today in order of key."""
        return iter(self._shown.items())

    def get(self, site: str, space: str) -> Shown | None:
        """Give one space of today."""
        return self._shown.get((site, space))

    def heard_ms(self, shown: Shown) -> int | None:
        """Give when what is shown of a space was last said (wall ms), None where it never was."""
        return self._board.heard_ms(*shown.place.key)

    def item(self, shown: Shown, now: Instant) -> SpaceItem:
        """Give a space's item with the age of its evidence."""
        heard_ms = self.heard_ms(shown)
        return items.aged(shown.item, None if heard_ms is None else now.wall_ms - heard_ms)

    def item_to(self, reader: Reader, shown: Shown, now: Instant) -> SpaceItem:
        """Give a space's item as a reader sees it."""
        return self.item(shown, now) if reader.may_read(Matter.EXACT_TIMES) else shown.coarse

    @property
    def agents(self) -> Iterable[Key]:
        """Name the agents of the layout, in order."""
        return self.directory.spaces_of

    def agent_item(self, key: Key, now: Instant) -> AgentItem:
        """Give the item of an agent of the layout."""
        known, heard_ms, online = self.fleet.get(key), self.fleet.heard_ms(key), self.fleet.online(key, now)
        ahead = self.fleet.ahead_minutes(key)
        return items.agent_item(self.directory, key, known, heard_ms, online=online, ahead_minutes=ahead)

    def sensor_items_to(self, reader: Reader, key: Key, now: Instant) -> list[SensorItem]:
        """Give the same as a reader sees them.

        When a sensor last fired is for those who may see the state it made, and a space that is not shared has no name
        for others than those.
        """
        return [self._sensor_to(reader, key[0], sensor) for sensor in self.sensor_items(key, now)]

    def _sensor_to(self, reader: Reader, site: str, sensor: SensorItem) -> SensorItem:
        place = self.directory.places.get((site, sensor.space or ""))
        if reader.may_read(Matter.LIVE_OF_ALL_PURPOSES) or (place is not None and reader.may_see(site, place.space)):
            return sensor
        named = sensor.space if self._is_shared(site, sensor.space) else None
        return replace(sensor, last=None, space=named)

    def agent_item_to(self, reader: Reader, key: Key, now: Instant) -> AgentItem:
        """Give an agent's item as a reader sees it: without the spaces that are not for them."""
        item = self.agent_item(key, now)
        return item if reader.may_read(Matter.LIVE_OF_ALL_PURPOSES) else self._of_shared(key, item)

    def _of_shared(self, key: Key, item: AgentItem) -> AgentItem:
        """Give an agent's item with its shared spaces alone."""
        return replace(item, spaces=tuple(space for space in item.spaces if self._is_shared(key[0], space)))

    def _is_shared(self, site: str, space: str | None) -> bool:
        place = self.directory.places.get((site, space or ""))
        return place is not None and place.space.purpose is Purpose.SHARED

    def sensor_items(self, key: Key, now: Instant) -> list[SensorItem]:
        """Give the items of an agent's sensors in order of their ids."""
        known, online = self.fleet.get(key), self.fleet.online(key, now)
        sensors = {} if known is None else known.status.sensors
        zone = self.directory.zone(key[0])
        return [items.sensor_item(key, name, sensors[name], zone, online=online) for name in sorted(sensors)]
