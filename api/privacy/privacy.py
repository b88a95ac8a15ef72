"""What Perch knows of people: made of the configuration that runs and of nothing else, so that it cannot lie.

Everybody may know it, so it names no space: of assigned ones it says whether any is sensed, and not how many.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from types import MappingProxyType

from api.entrance.access import MAY_READ, Matter
from api.privacy.shapes import PrivacyAnswer, PrivacyKept, PrivacyRight, PrivacySensed
from perch.adapters.keys import SESSION_DAYS, Role
from perch.adapters.outbox.store import KEEP_SETTLED_MS
from perch.adapters.readings_log import KEPT_DAYS as READINGS_DAYS
from perch.adapters.watches_file import KEPT_DAYS as MESSAGES_DAYS
from perch.model import Purpose, SensorKind, Site, Space, SpaceKind
from perch.settings import ServerSettings

HOUR_MS = 3_600_000
MATTERS: Mapping[str, Matter] = MappingProxyType(
    {
        "summary": Matter.SUMMARY,
        "live": Matter.LIVE,
        "assigned": Matter.LIVE_OF_ALL_PURPOSES,
        "bands": Matter.HISTORY,
        "groups": Matter.HISTORY_OF_GROUPS,
        "single": Matter.HISTORY_OF_SPACES,
        "fleet": Matter.FLEET,
    }
)


def privacy_of(
    settings: ServerSettings,
    site: Site | None,
    sensors: Collection[SensorKind] | None,
    today: date,
    text: tuple[str, ...] = (),
) -> PrivacyAnswer:
    """Describe what is known at a site, or at all of them; `sensors` are the kinds that report now, if known."""
    sites = settings.sites if site is None else (site,)
    standing = [space for one in sites for space in one.spaces if space.agent is not None and space.stands_on(today)]
    purposes = {space.purpose for space in standing}
    return PrivacyAnswer(
        None if site is None else site.id,
        tuple(_sensed(standing)),
        Purpose.ASSIGNED in purposes,
        Purpose.PRIVATE in purposes,
        None if sensors is None else tuple(kind for kind in SensorKind if kind in sensors),
        tuple(_kept(settings, sites)),
        tuple(_rights(settings)),
        tuple(_onward(settings, sites)) or ("nowhere",),
        text,
    )


def _sensed(standing: Collection[Space]) -> Iterator[PrivacySensed]:
    numbers = Counter(space.kind for space in standing if space.purpose is Purpose.SHARED)
    yield from (PrivacySensed(kind, numbers[kind]) for kind in SpaceKind if numbers[kind])


def _kept(settings: ServerSettings, sites: Collection[Site]) -> Iterator[PrivacyKept]:
    """Say what is kept; a replica keeps nothing of its own."""
    days = settings.retention
    if not settings.api.replica:
        yield _for_days("transitions", days.transitions_days)
        yield _for_days("quarter-hours", days.quarter_hours_days)
        yield _for_days("journal", days.journal_days)
    yield PrivacyKept("outbox", "agent", "running-hours", KEEP_SETTLED_MS // HOUR_MS)
    yield PrivacyKept("latest", "broker", "latest", None)
    if settings.influx is not None:
        yield PrivacyKept("influxdb", "influxdb", "elsewhere", None)
    if not settings.api.replica:
        yield _for_days("audit", days.audit_days)
        yield _for_days("readings", READINGS_DAYS)
        yield PrivacyKept("keys", "server", "until-revoked", None)
        yield _for_days("logins", SESSION_DAYS)
        yield _for_days("watches", MESSAGES_DAYS)
        yield PrivacyKept("erasures", "server", "for-ever", None)
        yield PrivacyKept("backups", "backups", "by-hand", None)
    if any(site.bookings for site in sites):
        yield PrivacyKept("bookings", "memory", "latest", None)


def _for_days(thing: str, days: int) -> PrivacyKept:
    """Say how long something is kept on the server; 0 is for ever."""
    return PrivacyKept(thing, "server", "days" if days else "for-ever", days or None)


def _rights(settings: ServerSettings) -> Iterator[PrivacyRight]:
    for name, matter in MATTERS.items():
        roles = [role.value for role in Role if role in MAY_READ[matter]]
        is_public = matter is Matter.SUMMARY and settings.api.public_summary
        yield PrivacyRight(name, (*roles, "nobody") if is_public else tuple(roles))


def _onward(settings: ServerSettings, sites: Collection[Site]) -> Iterator[str]:
    api, shown = settings.api, {face.site for face in settings.faces}
    for name, is_so in (
        ("influxdb", settings.influx is not None),
        ("webhooks", bool(api.webhook_origins or api.webhook_inside)),
        ("public-summary", api.public_summary),
        ("spaceapi", any(site.id in shown for site in sites)),
        ("pages", bool(api.cors_origins)),
    ):
        if is_so:
            yield name
