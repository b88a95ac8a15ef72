"""What the API answers, as values: the names here are the schemas of the OpenAPI document."""

from typing import Annotated

from msgspec import Meta, Struct

from perch.model import Purpose, Reason, SensorHealth, SensorKind, SpaceKind, State

Moment = Annotated[str, Meta(description="RFC 3339, to the millisecond", extra_json_schema={"format": "date-time"})]
Probability = Annotated[float, Meta(ge=0, le=1, description="belief that someone is there")]
Amount = Annotated[int, Meta(ge=0)]


class Named(Struct, frozen=True):
    """An id and what people call it."""

    id: str
    name: str


class ZoneItem(Struct, frozen=True):
    """A part of a floor."""

    id: str
    floor: str


class SiteItem(Struct, frozen=True):
    """A place of the network."""

    id: str
    name: str
    time_zone: str
    floors: tuple[Named, ...]
    zones: tuple[ZoneItem, ...]


class SpaceItem(Struct, frozen=True):
    """A space and what can be vouched for now; `age_seconds` is the age of the newest evidence, null if never heard."""

    site: str
    id: str
    name: str
    floor: str
    zone: str
    kind: SpaceKind
    capacity: Amount | None
    purpose: Purpose
    features: tuple[str, ...]
    state: State
    probability: Probability
    count: Amount | None
    reason: Reason
    since: Moment | None
    age_seconds: Amount | None


class AgentItem(Struct, frozen=True):
    """An agent of the layout; `spaces` are those it serves today. What was never heard is null."""

    site: str
    id: str
    online: bool
    run: Amount | None
    version: str | None
    last_heard: Moment | None
    outbox: Amount | None
    trouble: str | None
    spaces: tuple[str, ...]


class SensorItem(Struct, frozen=True):
    """A sensor as its agent last described it; `health` is null while the agent is not heard.

    `drift_a_day` is of a beam: by how many a day the doors of its space count more people in than out.
    """

    site: str
    agent: str
    id: str
    kind: SensorKind | None
    space: str | None
    health: SensorHealth | None
    since: Moment | None
    last: Moment | None
    drift_a_day: float | None


class SitePage(Struct, frozen=True):
    """A list of sites."""

    items: tuple[SiteItem, ...]
    next: str | None
    as_of: Moment


class SpacePage(Struct, frozen=True):
    """A list of spaces; `next` is the cursor of what follows."""

    items: tuple[SpaceItem, ...]
    next: str | None
    as_of: Moment


class AgentPage(Struct, frozen=True):
    """A list of agents."""

    items: tuple[AgentItem, ...]
    next: str | None
    as_of: Moment


class SensorPage(Struct, frozen=True):
    """A list of sensors."""

    items: tuple[SensorItem, ...]
    next: str | None
    as_of: Moment


class Tally(Struct, frozen=True):
    """How many spaces there are: total = free + occupied + unknown."""

    total: Amount
    free: Amount
    occupied: Amount
    unknown: Amount


class Summary(Struct, frozen=True):
    """How many spaces are free, in all and by site and kind: total = free + occupied + unknown."""

    as_of: Moment
    total: Amount
    free: Amount
    occupied: Amount
    unknown: Amount
    by_site: dict[str, Tally]
    by_kind: dict[str, Tally]


class Snapshot(Struct, frozen=True):
    """Every space, when a reader of events begins."""

    items: tuple[SpaceItem, ...]


class Reset(Struct, frozen=True):
    """Nothing: what a reader of events knew does not hold any more, and a snapshot follows."""


class Part(Struct, frozen=True):
    """One part that the API depends on; `detail` says what is wrong and what to do."""

    part: str
    ok: bool
    detail: str


class Readiness(Struct, frozen=True):
    """Whether every part is well."""

    ready: bool
    parts: tuple[Part, ...]


class Root(Struct, frozen=True):
    """Who answers: Perch of this version, and where its description is."""

    name: str
    version: str
    description: str


class Health(Struct, frozen=True):
    """The process answers."""

    status: str


class ProblemCause(Struct, frozen=True):
    """One thing wrong with a request: where, and what."""

    where: str
    what: str


class Problem(Struct, frozen=True):
    """An error by RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    errors: tuple[ProblemCause, ...] = ()
