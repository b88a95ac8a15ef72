"""Watches as they are asked for and shown: the names here are schemas of the OpenAPI document."""

from typing import Annotated

from msgspec import Meta, Struct

from api.live.shapes import Amount, Moment
from perch.model import ID_PATTERN, SpaceKind
from perch.watching.conditions import About
from perch.watching.posting import Standing
from perch.watching.wishes import LONGEST_NAME

Id = Annotated[str, Meta(pattern=f"^{ID_PATTERN.pattern}$")]


class WatchAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be told, where it is to be sent, and of which spaces or agents; see docs/watches.md."""

    about: About
    url: Annotated[str, Meta(max_length=2000, description="where messages are posted to")]
    name: Annotated[str, Meta(max_length=LONGEST_NAME)] = ""
    site: Id | None = None
    floor: Id | None = None
    zone: Id | None = None
    kind: SpaceKind | None = None
    feature: Annotated[str, Meta(max_length=64)] | None = None
    min_capacity: Annotated[int, Meta(ge=1)] | None = None
    share: Annotated[float, Meta(gt=0, le=1, description="of full: from which share of occupied spaces on")] | None = (
        None
    )
    people: Annotated[int, Meta(ge=1, description="of over-capacity: above how many people")] | None = None
    agent: Id | None = None


class WatchItem(Struct, frozen=True):
    """A watch; `holds` is whether it does, null while nobody knows, `disabled` why nothing is sent any more.

    `over` is why it has nothing more to say: of very few spaces a member is told once.
    Of `url` only the receiver is shown: the rest may be a secret.
    """

    id: str
    about: About
    name: str
    url: str
    site: str | None
    floor: str | None
    zone: str | None
    kind: SpaceKind | None
    feature: str | None
    min_capacity: int | None
    share: float | None
    people: int | None
    agent: str | None
    created: Moment
    holds: bool | None
    disabled: str | None
    over: str | None
    last_delivered: Moment | None


class WatchMade(Struct, frozen=True):
    """A new watch, with the secret that its messages are signed with, which is shown once."""

    watch: WatchItem
    secret: str


class WatchPage(Struct, frozen=True):
    """The reader's own watches."""

    items: tuple[WatchItem, ...]
    next: str | None
    as_of: Moment


class DeliveryItem(Struct, frozen=True):
    """A message and how far it has come; `said` is what went wrong last, `due` when it is tried again."""

    cursor: Amount
    id: str
    type: str
    at: Moment
    standing: Standing
    attempts: Amount
    due: Moment | None
    said: str | None


class DeliveryPage(Struct, frozen=True):
    """Messages of a watch in order; `next` is `after` of what follows."""

    items: tuple[DeliveryItem, ...]
    next: str | None
    as_of: Moment


class ReplayAsked(Struct, frozen=True, forbid_unknown_fields=True):
    """After which cursor messages are to be sent anew; 0 means all that are kept."""

    after: Annotated[int, Meta(ge=0, le=2**53)]


class Replayed(Struct, frozen=True):
    """How many messages are sent anew."""

    messages: Amount
