"""What collector and API are told: `perch.toml` and its sites."""

from pathlib import Path

import pytest

from perch.errors import InputError
from perch.settings import Api, Broker, Influx, Retention, ServerSettings, load_server

SITE = """
[site]
id = "{id}"
time_zone = "{zone}"
[hours]
mon = "08:00-20:00"
"""


def server_folder(folder: Path, content: str, zones: tuple[str, ...] = ("UTC",)) -> Path:
    """Write a `perch.toml` and a site for each time zone: s0/site.toml and so on."""
    for number, zone in enumerate(zones):
        (folder / f"s{number}").mkdir()
        (folder / f"s{number}" / "site.toml").write_text(SITE.format(id=f"s{number}", zone=zone))
    (folder / "token").write_text("secret")
    (folder / "perch.toml").write_text(content)
    return folder / "perch.toml"


def complaints(folder: Path, content: str, zones: tuple[str, ...] = ("UTC",)) -> set[str]:
    """Load a server that is wrong: where, without the folder."""
    path = server_folder(folder, content, zones)
    with pytest.raises(InputError) as caught:
        load_server(path, {})
    return {c.where.replace(f"{folder}/", "").removeprefix("perch.toml: ") for c in caught.value.complaints}


LITTLE = 'data = "var"\nsites = ["s0/site.toml"]\n'


def test_a_server_needs_little(tmp_path: Path) -> None:
    settings = load_server(server_folder(tmp_path, LITTLE), {})
    assert settings == ServerSettings(
        tmp_path / "var", settings.sites, (tmp_path / "s0" / "site.toml",), Broker(), None, Api(), Retention()
    )
    assert [site.id for site in settings.sites] == ["s0"]
    assert settings.retention == Retention(400, 1825)


def test_a_server_may_say_everything(tmp_path: Path) -> None:
    more = """
[broker]
host = "broker"
ca = "token"
username = "collector"
password_file = "token"
[influx]
url = "http://127.0.0.1:8086"
token_file = "token"
org = "venue"
[api]
host = "0.0.0.0"
port = 80
public_summary = true
cors_origins = ["https://intranet.example", "http://localhost:3000"]
requests_per_minute = 0
[retention]
transitions_days = 0
"""
    settings = load_server(server_folder(tmp_path, LITTLE + more), {})
    token = tmp_path / "token"
    assert settings.broker == Broker("broker", ca=token, username="collector", password_file=token)
    assert settings.influx == Influx("http://127.0.0.1:8086", token, "venue", "perch", "perch_zones")
    pages = ("https://intranet.example", "http://localhost:3000")
    expected = Api("0.0.0.0", 80, True, cors_origins=pages, requests_per_minute=0)  # noqa: S104  # what the file says
    assert settings.api == expected
    assert settings.retention == Retention(0, 1825, journal_days=0)


def test_databases_stand_for_influxdb_1(tmp_path: Path) -> None:
    more = '[influx]\nurl = "http://x"\ndatabase = "perch"\nusername = "u"\npassword_file = "token"\n'
    influx = load_server(server_folder(tmp_path, LITTLE + more), {}).influx
    assert influx is not None
    assert (influx.database, influx.zones_database, influx.username) == ("perch", "perch_zones", "u")


def test_the_environment_can_add_what_the_file_leaves_out(tmp_path: Path) -> None:
    environment = {"PERCH_INFLUX_URL": "http://influx:8086", "PERCH_API_PORT": "0", "PERCH_API_PUBLIC_SUMMARY": "true"}
    settings = load_server(server_folder(tmp_path, LITTLE), environment)
    assert settings.influx == Influx("http://influx:8086")
    assert settings.api == Api(port=0, public_summary=True)


def test_complaints_about_all_files_come_at_once(tmp_path: Path) -> None:
    content = 'data = 5\nsites = ["s0/site.toml", "s1/site.toml", "s2/site.toml"]\n[api]\nport = 99999\n'
    assert complaints(tmp_path, content, ("Mars", "UTC")) == {
        "data",
        "[api].port",
        "s0/site.toml: [site].time_zone",
        "s2/site.toml",
    }


def test_two_sites_of_one_id_are_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, 'data = "d"\nsites = ["s0/site.toml", "s0/../s0/site.toml"]\n') == {"sites"}


def test_a_server_without_sites_is_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, 'data = "d"\nsites = []\n') == {"sites"}


@pytest.mark.parametrize(
    ("influx", "where"),
    [
        ('url = "influx:8086"', "[influx].url"),
        ('org = "o"', "[influx].url"),
        ('url = "http://x"\ntoken_file = "none"', "[influx].token_file"),
        ('url = "http://x"\ndatabase = "d"\norg = "o"', "[influx].org"),
        ('url = "http://x"\nbucket = "b"\nzones_bucket = "b"', "[influx]"),
        ('url = "http://x"\ndatabase = "b"\nzones_database = "b"', "[influx]"),
        ('url = "http://x"\nusername = "u"', "[influx]"),
        ('url = "http://x"\ntoken = "secret"', "[influx].token"),
    ],
)
def test_an_influxdb_that_cannot_be_used_is_refused(tmp_path: Path, influx: str, where: str) -> None:
    assert complaints(tmp_path, f"{LITTLE}[influx]\n{influx}\n") == {where}


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ("[retention]\ntransitions_days = -1", "[retention].transitions_days"),
        ("[retention]\ntransitions_days = 90\njournal_days = 92", "[retention].journal_days"),
        ("[retention]\ntransitions_days = 0\njournal_days = 500", "[retention].journal_days"),
        ("[api]\npublic_summary = 1", "[api].public_summary"),
        ('[api]\nurl = "perch.example"', "[api].url"),
        ('[api]\nurl = "https://perch.example/page"', "[api].url"),
        ('[api]\ncors_origins = ["*"]', "[api].cors_origins"),
        ('[api]\ncors_origins = ["https://intranet.example/"]', "[api].cors_origins"),
        ('[api]\ncors_origins = ["https://Intranet.example"]', "[api].cors_origins"),
        ("[api]\nrequests_per_minute = -1", "[api].requests_per_minute"),
        ('[broker]\npassword_file = "token"', "[broker].username"),
        ('[broker]\nprotocol = "4"', "[broker].protocol"),
        ("[brokr]", "brokr"),
    ],
)
def test_what_a_server_cannot_be_told_is_refused(tmp_path: Path, more: str, where: str) -> None:
    assert complaints(tmp_path, f"{LITTLE}{more}\n") == {where}


@pytest.mark.parametrize(
    ("more", "journal_days"),
    [
        ("", 430),
        ("[retention]\ntransitions_days = 90", 120),
        ("[retention]\ntransitions_days = 90\njournal_days = 93", 93),
        ("[retention]\ntransitions_days = 90\njournal_days = 0", 0),
        ("[retention]\ntransitions_days = 0", 0),
    ],
)
def test_the_journal_keeps_a_month_more_than_history_unless_it_is_told_otherwise(
    tmp_path: Path, more: str, journal_days: int
) -> None:
    assert load_server(server_folder(tmp_path, LITTLE + more), {}).retention.journal_days == journal_days
