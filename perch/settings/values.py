"""What the configuration files say, as frozen values."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from perch.errors import Complaint, InputError
from perch.model import Identity, SensedSpace, Sensor, Site


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the MQTT broker is and how to log in.

    TLS is used where `ca` or `certificate` is set; `protocol` is 5, or 4 for MQTT 3.1.1.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    ca: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    protocol: int = 5


@dataclass(frozen=True, slots=True)
class SensingSettings:
    """Which spaces are sensed and by which sensors: `sensing.toml`, and the same part of `agent.toml`."""

    spaces: tuple[SensedSpace, ...]
    sensors: tuple[Sensor, ...]


@dataclass(frozen=True, slots=True)
class MetricsAt:
    """Where a process shows its metrics to Prometheus, which has no key: its own machine, unless said otherwise."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """One agent: who it is, where it keeps its outbox, which broker it talks to and what it senses (`agent.toml`).

    `home_assistant` says whether Home Assistant is told of its spaces; `keep_readings_mib` how much disk raw readings
    may take (0: none are kept).
    """

    site: str
    agent: str
    data: Path
    broker: Broker
    sensing: SensingSettings
    outbox_events: int = 100_000
    home_assistant: bool = False
    keep_readings_mib: int = 0
    metrics: MetricsAt | None = None


@dataclass(frozen=True, slots=True)
class Influx:
    """An InfluxDB: 2.x by token, organisation and buckets; 1.8 where `database` and `zones_database` are set."""

    url: str
    token_file: Path | None = None
    org: str | None = None
    bucket: str = "perch"
    zones_bucket: str = "perch_zones"
    database: str | None = None
    zones_database: str | None = None
    username: str | None = None
    password_file: Path | None = None


class HistoryFrom(StrEnum):
    """Where the API reads what was: the collector's files on the same machine, or an InfluxDB anywhere."""

    FILES = "files"
    INFLUX = "influx"


@dataclass(frozen=True, slots=True)
class Api:
    """Where the API listens, whether `/summary` needs no key, and where it reads history.

    `url` is the origin at which readers reach it (`https://perch.hq.example`), None where only this machine's users do.
    Pages of `cors_origins` may read it; one reader may ask `requests_per_minute` times (0: as often as it likes).
    Messages of watches go to `webhook_origins`, and to `webhook_inside` also where those are machines in the house.
    A `replica` keeps nothing.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_summary: bool = False
    history: HistoryFrom = HistoryFrom.FILES
    cors_origins: tuple[str, ...] = ()
    requests_per_minute: int = 1_200
    url: str | None = None
    webhook_origins: tuple[str, ...] = ()
    webhook_inside: tuple[str, ...] = ()
    replica: bool = False


@dataclass(frozen=True, slots=True)
class Face:
    """What a site shows to everybody who asks, as SpaceAPI has it; `lat` and `lon` in degrees."""

    site: str
    url: str
    logo: str
    email: str
    address: str | None = None
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True, slots=True)
class BrokerReader:
    """A login that hears what holds now and says nothing: an API on another machine, Home Assistant."""

    name: str
    password_file: Path


@dataclass(frozen=True, slots=True)
class BrokerEdge:
    """The login of a site's own broker, which speaks for all agents of that site."""

    site: str
    password_file: Path


RELOAD = ("systemctl", "reload", "mosquitto")
OWN_LOGIN = "perch-reload"
"""The login by which Perch sees that the broker has read its files; nobody else's."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """How agents get their credentials: where the broker's files are, and how agents reach broker and desk.

    The broker reads its files anew at a signal to the process in `pid_file`, or by the command `reload` (empty: it is
    told by somebody else). At `password_port` readers and edges come in where agents show certificates. The broker of a
    site of a larger network is `bridged_to` that network's (host, port): nothing is collected at it.
    """

    folder: Path
    host: str
    port: int = 8883
    desk_port: int = 8884
    password_port: int | None = None
    identity: Identity = Identity.PASSWORD
    reload: tuple[str, ...] = RELOAD
    pid_file: Path | None = None
    readers: tuple[BrokerReader, ...] = ()
    edges: tuple[BrokerEdge, ...] = ()
    bridged_to: str | None = None
    home_assistant: bool = False


@dataclass(frozen=True, slots=True)
class Retention:
    """How long journal, history and the audit's looks are kept, in days; 0 means for ever."""

    transitions_days: int = 400
    quarter_hours_days: int = 1825
    audit_days: int = 400
    journal_days: int = 430


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Collector and API: `perch.toml`. `site_paths` are the files that `sites` were read from, in the same order.

    `elsewhere` names sites of the network that others serve: what is theirs is left alone.
    """

    data: Path
    sites: tuple[Site, ...]
    site_paths: tuple[Path, ...]
    broker: Broker
    influx: Influx | None = None
    api: Api = field(default_factory=Api)
    retention: Retention = field(default_factory=Retention)
    metrics: MetricsAt | None = None
    faces: tuple[Face, ...] = ()
    enrolment: Enrolment | None = None
    elsewhere: frozenset[str] = frozenset()

    def as_replica(self) -> Self:
        """Give the same for an API that keeps nothing; raises InputError where there is no InfluxDB to read."""
        if self.influx is None:
            remedy = "add [influx] with its url: a replica reads there what was"
            raise InputError((Complaint("[influx]", "is missing", remedy),))
        return replace(self, api=replace(self.api, replica=True, history=HistoryFrom.INFLUX))

    def only(self, ids: Collection[str]) -> Self:
        """Give the same for some of the sites; raises InputError where there is none of an id."""
        known = {site.id for site in self.sites}
        if strange := sorted(set(ids) - known):
            what = f"there is no site {', '.join(strange)}"
            raise InputError((Complaint("--sites", what, f"name some of {', '.join(sorted(known))}"),))
        paths = zip(self.sites, self.site_paths, strict=False)
        return replace(
            self,
            sites=tuple(site for site in self.sites if site.id in ids),
            site_paths=tuple(path for site, path in paths if site.id in ids),
            faces=tuple(face for face in self.faces if face.site in ids),
            elsewhere=self.elsewhere | (known - set(ids)),
        )
