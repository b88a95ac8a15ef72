"""The nouns of Perch: sites and what stands in them, sensors, readings and occupancy. All values are frozen."""

import re
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum

ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
Curve = tuple[tuple[float, float], ...]
QUARTER_MS = 15 * 60 * 1000
SENSIBLE_MS = 946_684_800_000
"""The year 2000: a clock that reads less is wrong, whatever it claims."""

EARLIEST_MS = 1_735_689_600_000
"""2025-01-01: a machine of Perch's that thinks it is earlier has not been told the time."""

STEP_MS = 5_000
"""A wall clock that goes by more than this from where it was has been set; anything less is its own wandering."""

DAY_MS = 86_400_000


def is_id(text: str) -> bool:
    """Tell whether a text may name a site, floor, zone, space, agent or sensor."""
    return ID_PATTERN.fullmatch(text) is not None


class SpaceKind(StrEnum):
    """What a space is for its visitors."""

    DESK = "desk"
    ROOM = "room"
    BOOTH = "booth"
    LOUNGE = "lounge"


class Identity(StrEnum):
    """What agents show at the broker."""

    PASSWORD = "password"  # noqa: S105 - a word, and no password
    CERTIFICATE = "certificate"


class Purpose(StrEnum):
    """Who may use a space; members see `shared` ones only."""

    SHARED = "shared"
    ASSIGNED = "assigned"
    PRIVATE = "private"


class State(StrEnum):
    """What is known of a space: `unknown` is a state of its own, never a kind of free."""

    FREE = "free"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a space is in its state (stable codes)."""

    MOTION = "motion"
    PRESENCE = "presence"
    COUNT = "count"
    HELD = "held"
    QUIET = "quiet"
    STARTING = "starting"
    AGENT_OFFLINE = "agent-offline"
    SENSOR_SILENT = "sensor-silent"
    SENSOR_STUCK = "sensor-stuck"
    EVENTS_LOST = "events-lost"
    OUT_OF_SERVICE = "out-of-service"
    NEVER_REPORTED = "never-reported"


class Clock(StrEnum):
    """Whether a wall clock time can be believed: a Raspberry Pi has no clock of its own."""

    OK = "ok"
    UNSYNCED = "unsynced"


class Dating(StrEnum):
    """How a time in history was come by: from the agent's own clock, from what it told of that clock, or otherwise."""

    OK = "ok"
    PLACED = "placed"
    ESTIMATED = "estimated"


class SensorKind(StrEnum):
    """What a sensor measures."""

    MOTION = "motion"
    PRESENCE = "presence"
    CONTACT = "contact"
    PRESSURE = "pressure"
    DISTANCE = "distance"
    BEAM_IN = "beam-in"
    BEAM_OUT = "beam-out"
    CO2 = "co2"
    SOUND = "sound"
    LIGHT = "light"


EDGE_KINDS = frozenset(
    {
        SensorKind.MOTION,
        SensorKind.PRESENCE,
        SensorKind.CONTACT,
        SensorKind.PRESSURE,
        SensorKind.BEAM_IN,
        SensorKind.BEAM_OUT,
    }
)
"""Kinds that report edges when no `every_seconds` is given; the others are sampled each 60 s."""


class Preference(StrEnum):
    """Which of the two errors a space would rather make."""

    NEVER_FALSE_FREE = "never-false-free"
    BALANCED = "balanced"
    RELEASE_FAST = "release-fast"


class SensorHealth(StrEnum):
    """How a sensor is doing."""

    OK = "ok"
    STARTING = "starting"
    SILENT = "silent"
    NEVER_FIRED = "never-fired"
    STUCK = "stuck"
    CHATTERING = "chattering"
    IMPLAUSIBLE = "implausible"
    DISAGREEING = "disagreeing"

    @property
    def is_ill(self) -> bool:
        """Whether such a sensor is no longer listened to; one that only disagrees with its neighbours still is."""
        return self not in {SensorHealth.OK, SensorHealth.STARTING, SensorHealth.DISAGREEING}


@dataclass(frozen=True, slots=True)
class LearnedSensor:
    """What labels taught of a sensor; None, or a curve without points, where the factory's numbers hold.

    Motion and contacts speak, levels turn on `empty_per_hour` times while nobody is there, and levels stay on for
    `empty_on_seconds` then; of samples of sound and light a share `empty_share` stands out. `present_factor` is how
    many times as often as usual it speaks, drops out or stands out while somebody is there. Curves of CO2 are points
    of (ppm an hour, nats for somebody's being there); `sources` are what is left of a slope when the air is changed
    `ventilation_per_hour` times an hour.
    """

    empty_per_hour: float | None = None
    empty_on_seconds: float | None = None
    empty_share: float | None = None
    present_factor: float | None = None
    slopes: Curve = ()
    unrest: Curve = ()
    sources: Curve = ()
    ventilation_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class LearnedSpace:
    """What labels taught of a space; None where the factory's numbers hold.

    Mean times that it stands empty and that a visit lasts, and how much the evidence of each kind of sensor counts,
    times what it counts from the factory.
    """

    vacant_minutes: float | None = None
    visit_minutes: float | None = None
    weights: tuple[tuple[SensorKind, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor of an agent: `every_ms` is None where it reports edges; at most one of pin, channel, driver is set.

    An ultrasonic distance sensor has a second pin, `trigger`, beside the `pin` of its echo. `paired` beams are plain
    light barriers of one door, of which the one that is broken first tells the way. An `inverted` pin means the
    opposite of what is usual for its kind. `range_ppm` is the full scale of a CO2 sensor that speaks by its pulses.
    """

    id: str
    kind: SensorKind
    space: str
    every_ms: int | None
    pin: int | None = None
    channel: int | None = None
    driver: str | None = None
    trigger: int | None = None
    learned: LearnedSensor | None = None
    paired: bool = False
    inverted: bool = False
    range_ppm: int = 5000

    @property
    def edge_driven(self) -> bool:
        """Whether silence of this sensor means that nothing changed."""
        return self.every_ms is None


@dataclass(frozen=True, slots=True)
class SensedSpace:
    """A space as its agent knows it; `hold_ms` is None where the preference decides, `is_sensed` the off switch."""

    id: str
    kind: SpaceKind
    capacity: int | None = None
    prefer: Preference = Preference.BALANCED
    hold_ms: int | None = None
    quiet_limit_ms: int = 168 * 3_600_000
    learned: LearnedSpace | None = None
    is_sensed: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a sensor at a time (ms; of which clock is the caller's business, as long as it is one)."""

    time_ms: int
    sensor: str
    value: float


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What is said of a space: probability 0…1 that someone is there (three decimals), people or None, since when."""

    state: State
    probability: float
    count: int | None
    reason: Reason
    since_ms: int


@dataclass(frozen=True, slots=True)
class Floor:
    """A storey; `plan` is the SVG text of its floor plan, None where there is none."""

    id: str
    name: str
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of a floor."""

    id: str
    floor: str
    name: str


@dataclass(frozen=True, slots=True)
class Space:
    """A desk, room, booth or lounge as it stood from `valid_from` until before `valid_until` (local dates)."""

    id: str
    name: str
    floor: str
    zone: str
    kind: SpaceKind
    capacity: int | None
    purpose: Purpose
    features: frozenset[str]
    agent: str | None
    valid_from: date | None = None
    valid_until: date | None = None

    def stands_on(self, day: date) -> bool:
        """Tell whether this row is in force on a local day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_until is None or day < self.valid_until
        )


@dataclass(frozen=True, slots=True)
class BookingFeed:
    """Where a space's calendar is to be had: the path of a file, or a web address, which may be a secret."""

    space: str
    file: str | None = None
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """Opening hours within one day, local wall time; `until` None means midnight at the day's end."""

    start: time
    until: time | None


@dataclass(frozen=True, slots=True)
class Site:
    """A place: `hours[0]` are Monday's spans; `spaces` holds one row per space and period (several when it changed)."""

    id: str
    name: str
    time_zone: str
    country: str | None
    closed: tuple[tuple[date, date], ...]
    hours: tuple[tuple[OpenSpan, ...], ...]
    floors: tuple[Floor, ...]
    zones: tuple[Zone, ...]
    agents: tuple[str, ...]
    spaces: tuple[Space, ...]
    bookings: tuple[BookingFeed, ...] = ()

    def spaces_on(self, day: date) -> tuple[Space, ...]:
        """Give the rows in force on a local day, in the order of the layout."""
        return tuple(space for space in self.spaces if space.stands_on(day))
