"""A site as SpaceAPI 15 describes it: the names here are schemas of the OpenAPI document."""

from msgspec import UNSET, Struct, UnsetType

from api.live.shapes import Amount, Moment


class SpaceApiLocation(Struct, frozen=True, omit_defaults=True):
    """Where a site is."""

    timezone: str
    country_code: str | UnsetType = UNSET
    address: str | UnsetType = UNSET
    lat: float | UnsetType = UNSET
    lon: float | UnsetType = UNSET


class SpaceApiContact(Struct, frozen=True):
    """Whom to write to."""

    email: str


class SpaceApiState(Struct, frozen=True, omit_defaults=True):
    """Whether a site is open by its hours and holidays, and since when (s since 1970)."""

    open: bool
    lastchange: int | UnsetType = UNSET


class SpaceApiNow(Struct, frozen=True):
    """How many shared spaces there are: total = free + occupied + unknown."""

    as_of: Moment
    total: Amount
    free: Amount
    occupied: Amount
    unknown: Amount


class SpaceApi(Struct, frozen=True, omit_defaults=True):
    """A site as SpaceAPI 15 has it; `ext_perch` is there where the summary is public."""

    api_compatibility: tuple[str, ...]
    space: str
    logo: str
    url: str
    location: SpaceApiLocation
    contact: SpaceApiContact
    state: SpaceApiState
    ext_perch: SpaceApiNow | UnsetType = UNSET
