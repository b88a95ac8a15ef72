"""What the audit is told and what it answers; these names too are schemas of the OpenAPI document."""

from typing import Annotated

from msgspec import Meta, Struct

from api.live.shapes import Amount, Moment, Probability
from perch.history.accuracy import Figures
from perch.history.audit import SensorAudit, SpaceAudit
from perch.model import State

TapId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", description="made up at random for this one tap")]
Seen = Annotated[int, Meta(ge=0, le=10_000, description="people; where four or more are not counted, 4")]


class AuditTap(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody saw in a space: how many people, now or at `seen_at` (RFC 3339; without offset the site's time)."""

    id: TapId
    site: str
    space: str
    count: Seen
    seen_at: str | None = None


class AuditSaid(Struct, frozen=True):
    """What Perch said of that moment; `source` is `live` or `history`.

    `probability` and `count` are null where only the state of that moment is known by now.
    """

    state: State
    probability: Probability | None
    count: Amount | None
    source: str


class AuditTaken(Struct, frozen=True):
    """A tap as it is kept, and what Perch said at its moment, null where nobody knows any more or yet.

    It can be taken back until `undo_until`, null where that is over.
    """

    id: str
    site: str
    space: str
    count: Amount
    seen_at: Moment
    undo_until: Moment | None
    said: AuditSaid | None
    agrees: bool | None


class AuditReport(Struct, frozen=True):
    """How right Perch was, as far as people looked: `first` and `last` are the times of the looks that count.

    `needed` is the least number of looks for a figure; figures with fewer are null and say so in `why`.
    """

    as_of: Moment
    first: Moment | None
    last: Moment | None
    needed: Amount
    waiting: Amount
    left_out: Amount
    overall: Figures
    items: tuple[SpaceAudit, ...]
    sensors: tuple[SensorAudit, ...]
    warnings: tuple[str, ...]
