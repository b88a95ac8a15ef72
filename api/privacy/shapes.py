"""What Perch knows of people, as it is sent."""

from msgspec import Struct

from perch.model import SensorKind, SpaceKind


class PrivacySensed(Struct, frozen=True):
    """How many shared spaces of a kind have sensors today."""

    kind: SpaceKind
    spaces: int


class PrivacyKept(Struct, frozen=True):
    """Something that is kept: where, and how long (`number` is of days or hours, as `keeps` says)."""

    id: str
    where: str
    keeps: str
    number: int | None


class PrivacyRight(Struct, frozen=True):
    """Something that can be read, and which roles may read it; `nobody` is whoever has no key."""

    id: str
    roles: tuple[str, ...]


class PrivacyAnswer(Struct, frozen=True):
    """What is sensed, kept, read and passed on, as it is set up now; `sensors` are those that report, if known."""

    site: str | None
    sensed: tuple[PrivacySensed, ...]
    assigned_sensed: bool
    private_sensed: bool
    sensors: tuple[SensorKind, ...] | None
    kept: tuple[PrivacyKept, ...]
    readers: tuple[PrivacyRight, ...]
    onward: tuple[str, ...]
    text: tuple[str, ...]
