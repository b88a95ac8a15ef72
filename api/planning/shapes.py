"""What planning is asked and what it answers; these names too are schemas of the OpenAPI document."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from api.history.shapes import AnswerDefinition
from api.live.shapes import Amount, Moment
from perch.model import SpaceKind

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Many = Annotated[int, Meta(ge=1, le=10_000)]
Interval = Annotated[tuple[float, float], Meta(description="from where to where the true number lies, 19 times in 20")]


Bounds = Annotated[
    tuple[float, float], Meta(description="the number with unknown time as free and as occupied, the smaller one first")
]
FromBelow = Annotated[
    tuple[float, float | None], Meta(description="the same; null where nobody can say how much it is at most")
]
Definitions = Annotated[
    tuple[AnswerDefinition, ...], Meta(description="what the numbers mean, by their names in this answer")
]
LeftOut = Annotated[tuple[str, ...], Meta(description="spaces of which nothing was observed: in no number here")]


class ShortfallItem(Struct, frozen=True):
    """With so many desks: on which share of days somebody finds none, and how many then, at the worst moment."""

    desks: Amount
    short_days_ratio: float
    people_without: float


class UnseenDemand(Struct, frozen=True):
    """What would be enough with the demand that a full house turned away, if the assumption holds."""

    desks_for_days: Amount
    assumption: str


class GroupSizeItem(Struct, frozen=True):
    """How many rooms at once would do for groups of a size; `people_to` is null for no upper end."""

    people_from: Many
    people_to: Many | None
    sessions: Amount
    rooms_for_days: Amount
    interval: tuple[Amount | None, Amount | None]


class SizingBounds(Struct, frozen=True):
    """From where to where each number lies, whatever happened in unknown time."""

    desks_for_days: Bounds | None
    desks_for_time: Bounds | None


class SizingAnswer(Struct, frozen=True, rename={"from_": "from"}):
    """How many would do on a share of days, and of open time; null where history is too short.

    `days` are those that were observed well enough, `days_wanted` those that an upper end of `interval` needs.
    """

    site: str
    time_zone: str
    kind: SpaceKind
    from_: Moment
    to: Moment
    share: float
    current: Amount
    desks_for_days: Amount | None
    interval: tuple[Amount | None, Amount | None] | None
    desks_for_time: Amount | None
    curve: tuple[ShortfallItem, ...]
    days: Amount
    full_days: Amount
    coverage: float | None
    unseen: UnseenDemand | None
    by_group_size: tuple[GroupSizeItem, ...] | None
    warnings: tuple[str, ...]
    days_wanted: Amount
    bounds: SizingBounds
    left_out: LeftOut
    definitions: Definitions


class PeriodItem(Struct, frozen=True, rename={"from_": "from"}):
    """One of the periods compared, as far as it is over: its number, and the open days and weeks that it is of."""

    from_: Moment
    to: Moment
    value: float | None
    low: float | None
    high: float | None
    coverage: float | None
    days: Amount
    weeks: Amount


class ComparisonBounds(Struct, frozen=True):
    """From where to where each number lies, whatever happened in unknown time."""

    before: Bounds | None
    after: Bounds | None
    difference: Bounds | None


class ComparisonAnswer(Struct, frozen=True):
    """What changed between two periods; numbers are null where there are not enough weeks."""

    site: str
    metric: str
    before: float | None
    after: float | None
    difference: float | None
    interval: Interval | None
    weeks: tuple[Amount, Amount]
    warnings: tuple[str, ...]
    time_zone: str
    zone: str | None
    control_zone: str | None
    periods: tuple[PeriodItem, PeriodItem]
    bounds: ComparisonBounds
    left_out: LeftOut
    definitions: Definitions


class AddAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Spaces to put there; `zone` only says where they are meant to stand."""

    kind: SpaceKind
    count: Many
    capacity: Many | None = None
    zone: str | None = None


class ConvertAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """Spaces to make out of one."""

    space: str
    kind: SpaceKind
    count: Many
    capacity: Many | None = None


class ChangeAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """One change: exactly one of these. Hours are as in the layout, an empty text for a closed day."""

    remove: list[str] | None = None
    add: AddAsked | None = None
    convert: ConvertAsked | None = None
    hours: dict[Weekday, str] | None = None


class ScenarioAsked(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Changes of today's layout, to be replayed with the sessions of a window."""

    site: str
    from_: str
    to: str
    changes: Annotated[list[ChangeAsked], Meta(max_length=100)]


class OutcomeBounds(Struct, frozen=True):
    """From where to where each number lies, whatever happened in unknown time."""

    turn_aways_per_week: FromBelow
    full_hours_per_week: FromBelow
    peak_concurrent: FromBelow


class OutcomeItem(Struct, frozen=True):
    """What a layout comes to, per week; the interval is null where there are not enough weeks.

    All numbers are null where it would be open in hours that are closed today: nobody knows who would come.
    """

    turn_aways_per_week: float | None
    interval: Interval | None
    full_hours_per_week: float | None
    peak_concurrent: Amount | None
    full_hours_by_kind: dict[SpaceKind, float]
    bounds: OutcomeBounds


class ScenarioAnswer(Struct, frozen=True, rename={"from_": "from"}):
    """Today's layout and the changed one, with the same visits to spaces of the kinds concerned."""

    site: str
    from_: Moment
    to: Moment
    sessions: Amount
    baseline: OutcomeItem
    scenario: OutcomeItem
    warnings: tuple[str, ...]
    time_zone: str
    kinds: tuple[SpaceKind, ...]
    coverage: float | None
    left_out: LeftOut
    definitions: Definitions
