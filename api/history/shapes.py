"""What the API answers of the past, as values: the names here are schemas of the OpenAPI document too."""

from msgspec import UNSET, Struct, UnsetType

from api.live.shapes import Amount, Moment, Probability
from perch.model import Dating, Reason, State


class DefinitionItem(Struct, frozen=True):
    """What a number of history means."""

    id: str
    name: str
    version: int
    unit: str
    text: str
    is_not: str


class DefinitionPage(Struct, frozen=True):
    """Every metric."""

    items: tuple[DefinitionItem, ...]
    next: str | None
    as_of: Moment


class AnswerDefinition(Struct, frozen=True):
    """Which metric in which version an answer used."""

    id: str
    version: int
    unit: str
    text: str


class HistoryRow(Struct, frozen=True):
    """One number, the share of its time that was observed, and its bounds if the rest were free or occupied.

    Metrics of peaks also say when it was first reached, and how long it lasted in all.
    """

    start: Moment
    end: Moment
    scope: str
    value: float | None
    coverage: float | None
    low: float | None
    high: float | None
    at: Moment | UnsetType = UNSET
    lasted_seconds: float | UnsetType = UNSET


class HourOfWeekRow(Struct, frozen=True):
    """An hour of the week (weekday 1 is Monday): its value over all weeks, and how the weeks' values spread."""

    weekday: int
    hour: int
    scope: str
    value: float | None
    coverage: float | None
    low: float | None
    high: float | None
    p50: float | None
    p90: float | None
    max: float | None
    weeks: int


class MetricAnswer(Struct, frozen=True, rename={"from_": "from"}):
    """A metric over [from, to) and how it was asked for; `to` is where the window was really cut."""

    metric: str
    definition: AnswerDefinition
    site: str
    time_zone: str
    from_: Moment
    to: Moment
    resolution: str
    scope: str
    hours: str


class HistoryAnswer(MetricAnswer, frozen=True):
    """A metric over [from, to); `to` is where the window was really cut."""

    rows: tuple[HistoryRow, ...]
    warnings: tuple[str, ...]
    parameters: dict[str, float] | UnsetType = UNSET


class HourOfWeekAnswer(MetricAnswer, frozen=True):
    """A metric by hours of the week, over the weeks of [from, to)."""

    rows: tuple[HourOfWeekRow, ...]
    warnings: tuple[str, ...]
    parameters: dict[str, float] | UnsetType = UNSET


class TransitionRow(Struct, frozen=True):
    """A change of a space's state or count, when it happened."""

    time: Moment
    state: State
    probability: Probability
    count: Amount | None
    reason: Reason
    clock: Dating


class TransitionAnswer(Struct, frozen=True, rename={"from_": "from"}):
    """The transitions of a space within [from, to)."""

    site: str
    space: str
    time_zone: str
    from_: Moment
    to: Moment
    rows: tuple[TransitionRow, ...]
    warnings: tuple[str, ...]
