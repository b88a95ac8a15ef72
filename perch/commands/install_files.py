"""Which files an installation is made of: units, users, folders, and a first configuration."""

import secrets
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from perch.adapters.laid_files import Laid
from perch.commands import install_units as units
from perch.commands.install_units import BACKUPS, CONFIGURATION, DATA, USER
from perch.settings.written import toml

BROKER = "/etc/mosquitto/perch"
UNITS, USERS, FOLDERS = "/etc/systemd/system", "/etc/sysusers.d", "/etc/tmpfiles.d"
PRIVATE = 0o640

_USER = f'u {USER} - "Perch" {DATA}\n'
_GROUPS = "".join(f"g {name} -\nm {USER} {name}\n" for name in ("gpio", "i2c", "spi"))
_FOLDERS = f"d {CONFIGURATION} 0750 root {USER}\nd {DATA} 0750 {USER} {USER}\nZ {DATA} - {USER} {USER}\n"
"""What root put into the data folder by hand, such as a backup that was restored, is the service's as well."""
_DAYS = ("mon", "tue", "wed", "thu", "fri")


class SiteWanted(NamedTuple):
    """The site that a first configuration is for, and the name by which agents call its broker."""

    id: str
    name: str
    time_zone: str
    host: str


def server_files(program: PurePosixPath, sites: Sequence[str], wanted: SiteWanted | None) -> Sequence[Laid]:
    """Give the files of a server whose sites are in these folders; a first configuration too, where one is wanted."""
    return (
        *configured_folders(sites, f"d {BACKUPS} 0700 {USER} {USER}\nZ {BACKUPS} - {USER} {USER}\n"),
        broker_folder(),
        Laid(f"{UNITS}/perch-collector.service", units.collector_unit(program)),
        Laid(f"{UNITS}/perch-api.service", units.api_unit(program)),
        Laid(f"{UNITS}/perch-backup.service", units.backup_unit(program)),
        Laid(f"{UNITS}/perch-backup.timer", units.backup_timer()),
        *(_first_files(wanted) if wanted is not None else ()),
    )


def configured_folders(sites: Sequence[str], others: str = "") -> Sequence[Laid]:
    """Give what makes the user and its folders, those of sites, and others, in the words of tmpfiles.d."""
    more = "".join(f"d {folder} 0750 root {USER}\nz {folder}/* 0640 root {USER}\n" for folder in sites)
    private = "".join(f"z {CONFIGURATION}/{name} 0640 root {USER}\n" for name in ("*.toml", "*.password"))
    return Laid(f"{USERS}/perch.conf", _USER), Laid(f"{FOLDERS}/perch.conf", f"{_FOLDERS}{others}{private}{more}")


def broker_folder() -> Laid:
    """Give what makes the folder that Perch's broker reads."""
    lines = f"d {BROKER} 2750 root mosquitto\nL /etc/mosquitto/conf.d/perch.conf - - - - {BROKER}/mosquitto.conf\n"
    return Laid(f"{FOLDERS}/perch-broker.conf", lines)


def _first_files(wanted: SiteWanted) -> Sequence[Laid]:
    secret = secrets.token_urlsafe(32)
    return (
        Laid(f"{CONFIGURATION}/server.password", secret, PRIVATE, once=True, secret=True),
        Laid(f"{folder_of(wanted.id)}/site.toml", _site(wanted), PRIVATE, once=True),
        Laid(f"{CONFIGURATION}/perch.toml", _server(wanted), PRIVATE, once=True),
    )


def folder_of(site: str) -> str:
    """Give where a first configuration keeps a site's files."""
    return f"{CONFIGURATION}/{site}"


def agent_files(program: PurePosixPath) -> Sequence[Laid]:
    """Give the files of an agent; its configuration comes with its credential, by `perch enroll`."""
    return (
        Laid(f"{USERS}/perch-agent.conf", _USER + _GROUPS),
        Laid(f"{FOLDERS}/perch-agent.conf", f"{_FOLDERS}z {CONFIGURATION}/agent.toml 0640 root {USER}\n"),
        Laid(f"{UNITS}/perch-agent.service", units.agent_unit(program)),
    )


def _server(site: SiteWanted) -> str:
    return toml(
        {
            "data": DATA,
            "sites": [f"{site.id}/site.toml"],
            "broker": {"host": "127.0.0.1", "port": 1883, "username": "server", "password_file": "server.password"},
            "enrolment": {"folder": BROKER, "host": site.host},
        }
    )


def _site(site: SiteWanted) -> str:
    return (
        f"[site]\n{toml({'id': site.id, 'name': site.name, 'time_zone': site.time_zone})}\n"
        f"[hours]\n{toml(dict.fromkeys(_DAYS, '08:00-20:00'))}\n"
        '[[floor]]\nid = "f1"\nname = "First floor"\n\n[[zone]]\nid = "open"\nfloor = "f1"\n\n'
        "# An agent, and a space that it senses:\n#\n"
        '# [[agent]]\n# id = "pi-1"\n#\n'
        '# [[space]]\n# id = "d01"\n# kind = "desk"\n# floor = "f1"\n# zone = "open"\n# agent = "pi-1"\n'
    )
