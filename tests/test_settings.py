"""What an agent is told: `agent.toml` and `sensing.toml`, with every complaint at once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from perch.errors import InputError
from perch.model import Preference, SensedSpace, Sensor, SensorKind, SpaceKind
from perch.settings import AgentSettings, Broker, load_agent, load_sensing

SENSING = """
[[space]]
id = "d01"
kind = "desk"
capacity = 1
prefer = "never-false-free"
[[space]]
id = "r1"
kind = "room"
hold_seconds = 600
quiet_limit_hours = 24
[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
pin = 17
[[sensor]]
id = "co2"
kind = "co2"
space = "r1"
[[sensor]]
id = "pir2"
kind = "motion"
space = "r1"
pin = 18
every_seconds = 0.5
"""
AGENT = f"""
site = "hq"
agent = "pi-3"
data = "outbox"
[broker]
host = "broker.hq.example"
port = 8883
password_file = "secret"
protocol = "3.1.1"
{SENSING}"""


def written(folder: Path, content: str, name: str = "agent.toml") -> Path:
    """Put a file into a folder."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def complaints(folder: Path, content: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Load an agent.toml that is wrong: where (without the file's name) → what and what to do."""
    path = written(folder, content)
    with pytest.raises(InputError) as caught:
        load_agent(path, environment or {})
    assert all(complaint.remedy for complaint in caught.value.complaints), "every complaint says what to do"
    return {
        complaint.where.removeprefix(f"{path}: ").removeprefix(str(path)): f"{complaint.what} → {complaint.remedy}"
        for complaint in caught.value.complaints
    }


def sensing_complaints(folder: Path, *, space: str = "", sensor: str = "") -> dict[str, str]:
    """Load an agent with one more line in its only space or sensor."""
    head = 'site = "hq"\nagent = "a"\ndata = "d"\n'
    spaces = f'[[space]]\nid = "d01"\nkind = "desk"\n{space}\n'
    return complaints(folder, head + spaces + f'[[sensor]]\nid = "pir1"\nkind = "motion"\nspace = "d01"\n{sensor}\n')


def test_an_agent_is_read_with_its_broker_and_what_it_senses(tmp_path: Path) -> None:
    written(tmp_path, "x", "secret")
    settings = load_agent(written(tmp_path, AGENT), {})
    secret = tmp_path / "secret"
    broker = Broker("broker.hq.example", 8883, username="hq_pi-3", password_file=secret, protocol=4)
    assert settings == AgentSettings("hq", "pi-3", tmp_path / "outbox", broker, settings.sensing, 100_000)
    assert settings.sensing.spaces == (
        SensedSpace("d01", SpaceKind.DESK, 1, Preference.NEVER_FALSE_FREE),
        SensedSpace("r1", SpaceKind.ROOM, hold_ms=600_000, quiet_limit_ms=24 * 3_600_000),
    )


def test_edge_kinds_report_edges_and_others_are_sampled_each_minute_unless_told_otherwise(tmp_path: Path) -> None:
    sensing = load_sensing(written(tmp_path, SENSING, "sensing.toml"))
    assert sensing.sensors == (
        Sensor("pir1", SensorKind.MOTION, "d01", None, pin=17),
        Sensor("co2", SensorKind.CO2, "r1", 60_000),
        Sensor("pir2", SensorKind.MOTION, "r1", 500, pin=18),
    )


def test_an_agents_file_serves_as_sensing_file(tmp_path: Path) -> None:
    assert load_sensing(written(tmp_path, AGENT)) == load_sensing(written(tmp_path, SENSING, "sensing.toml"))


def test_an_agents_key_in_the_wrong_place_of_a_sensing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outbox_event"):
        load_sensing(written(tmp_path, "outbox_event = 5\n" + SENSING))


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    environment = {
        "PERCH_SITE": "annex",
        "PERCH_DATA": "/var/lib/perch",
        "PERCH_BROKER_HOST": "10.0.0.1",
        "PERCH_BROKER_PORT": "1884",
        "PERCH_BROKER_PASSWORD_FILE": str(written(tmp_path, "x", "other")),
        "PERCH_OUTBOX_EVENTS": "",
    }
    settings = load_agent(written(tmp_path, AGENT), environment)
    assert (settings.site, settings.data, settings.outbox_events) == ("annex", Path("/var/lib/perch"), 100_000)
    assert (settings.broker.host, settings.broker.port) == ("10.0.0.1", 1884)
    assert settings.broker.username == "annex_pi-3"


def test_what_the_environment_says_wrong_is_complained_of_by_its_variable(tmp_path: Path) -> None:
    written(tmp_path, "x", "secret")
    found = complaints(tmp_path, AGENT, {"PERCH_BROKER_PORT": "many", "PERCH_SITE": "H Q"})
    assert found.keys() == {"environment variable PERCH_BROKER_PORT", "environment variable PERCH_SITE"}


def test_every_complaint_comes_at_once(tmp_path: Path) -> None:
    found = complaints(tmp_path, AGENT.replace('"hq"', "7").replace("8883", "0").replace('"desk"', '"dsk"'))
    assert found.keys() == {"site", "[broker].port", "[broker].password_file", "[[space]][1].kind"}
    assert "one of desk, room, booth, lounge" in found["[[space]][1].kind"]


def test_an_unknown_key_is_refused_by_name_with_the_nearest_known_one(tmp_path: Path) -> None:
    assert "did you mean capacity?" in sensing_complaints(tmp_path, space="capacty = 1")["[[space]][1].capacty"]
    assert "known are" in sensing_complaints(tmp_path, sensor="zzzz = 1")["[[sensor]][1].zzzz"]


def test_what_is_needed_and_missing_is_named(tmp_path: Path) -> None:
    assert complaints(tmp_path, "").keys() == {"site", "agent", "data", "[[space]]"}


@pytest.mark.parametrize(
    ("space", "key"),
    [
        ("capacity = 0", "capacity"),
        ("capacity = true", "capacity"),
        ('capacity = "4"', "capacity"),
        ("capacity = 1.0", "capacity"),
        ("hold_seconds = 0", "hold_seconds"),
        ("hold_seconds = nan", "hold_seconds"),
        ("hold_seconds = inf", "hold_seconds"),
        ("hold_seconds = false", "hold_seconds"),
        ("quiet_limit_hours = -1", "quiet_limit_hours"),
        ('prefer = "fast"', "prefer"),
        ("prefer = 1", "prefer"),
        ("capacity = 99999999999999999999999999999999999999999", "capacity"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_key(tmp_path: Path, space: str, key: str) -> None:
    assert sensing_complaints(tmp_path, space=space).keys() == {f"[[space]][1].{key}"}


@pytest.mark.parametrize("name", ["", "-d", "D01", "d_1", "d 1", "d" * 33, "d/1", "#", "d\\n"])
def test_an_id_that_would_not_do_in_a_topic_is_refused(tmp_path: Path, name: str) -> None:
    found = complaints(tmp_path, f'site = "{name}"\nagent = "a"\ndata = "d"\n{SENSING}')
    assert found.keys() == {"site"}
    assert "an id is" in found["site"]


def test_two_of_one_id_two_on_one_pin_and_a_sensor_of_no_space_are_refused(tmp_path: Path) -> None:
    more = '[[sensor]]\nid = "pir1"\nkind = "motion"\nspace = "d02"\npin = 17\n[[space]]\nid = "d01"\nkind = "desk"\n'
    found = complaints(tmp_path, f'site = "hq"\nagent = "a"\ndata = "d"\n{SENSING}{more}')
    assert found.keys() == {"[[space]][3].id", "[[sensor]][4].id", "[[sensor]][4].pin", "[[sensor]][4].space"}


def test_a_sensor_hangs_on_one_thing_only(tmp_path: Path) -> None:
    found = sensing_complaints(tmp_path, sensor='pin = 17\nchannel = 2\ndriver = "scd4x"')
    assert found["[[sensor]][1]"].startswith("more than one of pin, channel, driver")


def distance(trigger: str) -> str:
    """Give one more sensor, an ultrasonic one."""
    return f'[[sensor]]\nid = "sonar"\nkind = "distance"\nspace = "d01"\npin = 5\n{trigger}\n'


def test_a_distance_sensor_on_a_pin_has_a_trigger_on_another(tmp_path: Path) -> None:
    sensing = load_sensing(written(tmp_path, SENSING + distance("trigger = 6")))
    assert (sensing.sensors[-1].pin, sensing.sensors[-1].trigger) == (5, 6)
    for trigger in ("", "trigger = 5", "trigger = 17"):
        with pytest.raises(InputError, match=r"\[\[sensor\]\]\[4\]\.trigger"):
            load_sensing(written(tmp_path, SENSING + distance(trigger)))
    assert sensing_complaints(tmp_path, sensor="trigger = 6").keys() == {"[[sensor]][1].trigger"}


def test_two_sensors_may_share_a_driver(tmp_path: Path) -> None:
    more = '[[sensor]]\nid = "co2b"\nkind = "co2"\nspace = "r1"\ndriver = "scd4x"\n'
    sensing = load_sensing(written(tmp_path, SENSING + more + more.replace("co2b", "co2c")))
    assert [sensor.driver for sensor in sensing.sensors][-2:] == ["scd4x", "scd4x"]


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    written(tmp_path, "x", "secret")
    found = complaints(tmp_path, AGENT.replace("protocol", 'certificate = "secret"\nprotocol'))
    assert found.keys() == {"[broker]"}


@pytest.mark.parametrize("content", ["space = 1", "space = [1]", "[space]", "broker = 5"])
def test_a_table_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    found = complaints(tmp_path, f'site = "hq"\nagent = "a"\ndata = "d"\n{content}\n')
    assert any("table" in what for what in found.values())


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    assert "not TOML" in complaints(tmp_path, 'site = "hq"\nagent = = 3\n')[":2"]
    assert "the file ends" in complaints(tmp_path, "site = [1,\n")[":2"]


def test_a_file_that_cannot_be_read_is_one_complaint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load_agent(tmp_path / "none.toml", {})
    with pytest.raises(InputError, match="directory"):
        load_agent(tmp_path, {})
    (tmp_path / "latin.toml").write_bytes(b'name = "B\xfcro"')
    with pytest.raises(InputError, match="not UTF-8"):
        load_agent(tmp_path / "latin.toml", {})


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "sensing.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SENSING.replace("\n", "\r\n").encode())
    assert len(load_sensing(path).spaces) == 2
