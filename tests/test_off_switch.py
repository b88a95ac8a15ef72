"""A space whose sensing is switched off: unknown from pin to page, never free, and nothing of it is told meanwhile."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from gpiozero import Device

from perch.adapters.keys import Role
from perch.commands.site import site as site_commands
from perch.errors import InputError
from perch.history.told import Marked, Stated
from perch.model import Dating, Reading, Reason, State
from perch.sensing import offline
from perch.sensing.judge import deaf
from perch.settings import load_agent, load_sensing, load_site
from sensor_agent.agent import Agent
from sensor_agent.clock import RecordedClock
from sensor_agent.inputs import use_mock_pins
from tests import parts
from tests.acknowledging import Acknowledging
from tests.keyed import SPACES, Keyed
from tests.parts import until
from tests.serving import EPOCH, a_site

HOUR_MS = 3_600_000
T0 = 1_760_001_200_000

AGENT = """
site = "hq"
agent = "pi-1"
data = "{folder}"
[broker]
host = "{host}"
port = {port}
[[space]]
id = "d01"
kind = "desk"
{more}
[[space]]
id = "d02"
kind = "desk"
[[sensor]]
id = "pir1"
kind = "motion"
space = "d01"
pin = 17
[[sensor]]
id = "pir2"
kind = "motion"
space = "d02"
pin = 18
"""


def written(folder: Path, more: str, host: str = "127.0.0.1", port: int = 1883) -> Path:
    """Write an agent.toml."""
    path = folder / "agent.toml"
    path.write_text(AGENT.format(folder=folder, host=host, port=port, more=more))
    return path


def test_a_space_that_is_switched_off_is_unknown_and_says_nothing_more(mosquitto: parts.Broker, tmp_path: Path) -> None:
    """Its pin is not even opened: somebody moves there for an hour, and what is told is that it is out of service."""
    settings = load_agent(written(tmp_path, "sensing = false", mosquitto.host, mosquitto.port))
    assert [sensor.id for sensor in settings.sensing.sensors] == ["pir2"]
    use_mock_pins()
    clock = RecordedClock(T0)
    try:
        with Acknowledging(settings.broker) as heard, Agent(settings, clock, settings.sensing.sensors) as agent:
            assert agent.inputs.levels().keys() == {"pir2"}
            for _ in range(8):
                clock.now_ms += HOUR_MS // 8
                agent.edge("pir1", 1.0)  # as if somebody had left it connected
                agent.edge("pir2", 1.0)
                agent.take(0.01)
                agent.deliver()
            until(lambda: _turned(agent) and any(event.space == "d02" for event in heard.stated()[-1:]))
            said = {(event.space, event.state, event.reason) for event in heard.stated()}
            live = {space: one.state for space, one in agent.author.watch.occupancies(clock.mono_ms()).items()}
    finally:
        Device.pin_factory.reset()
    assert {one for one in said if one[0] == "d01"} == {("d01", State.UNKNOWN, Reason.OUT_OF_SERVICE)}
    assert ("d02", State.OCCUPIED, Reason.MOTION) in said
    assert live == {"d01": State.UNKNOWN, "d02": State.OCCUPIED}


def _turned(agent: Agent) -> bool:
    agent.take(0.01)
    agent.deliver()
    return True


def test_a_space_that_is_off_is_never_free_in_a_recording_either() -> None:
    sensing = load_sensing(Path("perch/venue/recordings/singh/sensing-pir.toml"))
    off = tuple(replace(space, is_sensed=False) for space in sensing.spaces)
    readings = [Reading(T0 + minute * 60_000, sensing.sensors[0].id, minute % 2) for minute in range(600)]
    changes = list(offline.changes(off, sensing.sensors, readings))
    assert {change.occupancy.reason for change in changes} == {Reason.OUT_OF_SERVICE}
    assert len(changes) == len(off)
    assert deaf(off, sensing.sensors) == ()


def test_the_hours_of_a_space_that_is_off_are_nobodys_and_its_state_is_unknown(tmp_path: Path) -> None:
    """History leaves it out of what stood there, the list shows it as unknown, and nobody is told that it is free."""
    keyed = Keyed(tmp_path, told=tuple(told()))
    keyed.hands.wall_ms = T0 + 60 * HOUR_MS
    keyed.hear("d01", State.UNKNOWN, reason=Reason.OUT_OF_SERVICE)
    keyed.hear("d02", State.FREE)
    member = keyed.get("/api/v1/spaces/hq/d01", Role.MEMBER).json
    assert (member["state"], member["reason"]) == ("unknown", "out-of-service")
    free = keyed.get("/api/v1/spaces?site=hq&state=free", Role.MEMBER).json["items"]
    assert [item["id"] for item in free] == ["d02"]
    address = "/api/v1/history/time_used_ratio?site=hq&from=2025-10-10&to=2025-10-11&hours=all&scope=space"
    rows = {row["scope"]: row for row in keyed.get(address, Role.FACILITIES).json["rows"]}
    assert (rows["d01"]["value"], rows["d01"]["coverage"]) == (None, None)
    assert rows["d02"]["value"] == 0
    off = "/api/v1/history/transitions?site=hq&space=d01&from=2025-10-09&to=2025-10-12"
    assert {row["state"] for row in keyed.get(off, Role.FACILITIES).json["rows"]} == {"unknown"}


def told() -> list[Stated | Marked]:
    """For two days all desks are free, and the first is switched off."""
    said: list[Stated | Marked] = []
    for seq, space in enumerate((space.id for space in SPACES), start=1):
        state, reason = (State.FREE, Reason.QUIET) if space != "d01" else (State.UNKNOWN, Reason.OUT_OF_SERVICE)
        said.append(Stated("hq", "pi-1", EPOCH, seq, T0, space, T0, state, 0.5, None, reason, Dating.OK))
    return [*said, Marked("hq", "pi-1", EPOCH, 99, T0 + 48 * HOUR_MS, T0 + 48 * HOUR_MS)]


# Private spaces.


def test_an_agent_does_not_start_with_a_sensor_in_a_private_space(tmp_path: Path) -> None:
    for more in ('purpose = "private"', 'purpose = "private"\nsensing = false'):
        with pytest.raises(InputError) as refused:
            load_agent(written(tmp_path, more))
        (complaint,) = refused.value.complaints
        assert complaint.where.endswith("[[sensor]][1].space")
        assert "nobody is sensed in a private space" in complaint.what
    assert load_agent(written(tmp_path, 'purpose = "assigned"')).sensing.sensors


def test_what_is_said_of_a_private_space_all_the_same_is_believed_by_nobody(tmp_path: Path) -> None:
    """A sensor that hangs there anyway, by an agent's file that says nothing of it, shows nothing to anybody."""
    silent = tuple(replace(space, agent=None) if space.id == "p1" else space for space in SPACES)
    said = [Stated("hq", "pi-1", EPOCH, 1, T0, "p1", T0, State.OCCUPIED, 0.9, None, Reason.MOTION, Dating.OK)]
    keyed = Keyed(tmp_path, told=(*said, *told()), sites=(a_site(spaces=silent),))
    keyed.hands.wall_ms = T0 + 60 * HOUR_MS
    keyed.hear("p1", State.OCCUPIED)
    shown = keyed.get("/api/v1/spaces/hq/p1", Role.FACILITIES).json
    assert (shown["state"], shown["reason"]) == ("unknown", "never-reported")
    past = "/api/v1/history/transitions?site=hq&space=p1&from=2025-10-09&to=2025-10-12"
    assert keyed.get(past, Role.FACILITIES).json["rows"] == []


SITE = """
[site]
id = "hq"
time_zone = "Europe/Lisbon"
[hours]
mon = "08:00-20:00"
[[floor]]
id = "f1"
[[zone]]
id = "open"
floor = "f1"
[[agent]]
id = "pi-1"
[[space]]
id = "d01"
zone = "open"
kind = "desk"
purpose = "private"
"""


def a_site_file(folder: Path, more: str = "") -> Path:
    path = folder / "site.toml"
    path.write_text(SITE + more)
    return path


def test_a_private_space_has_no_agent(tmp_path: Path) -> None:
    """So the collector and the API do not start either, and `perch site check` says so."""
    assert load_site(a_site_file(tmp_path)).spaces
    with pytest.raises(InputError, match="nobody is sensed in a private space"):
        load_site(a_site_file(tmp_path, 'agent = "pi-1"\n'))


def test_site_check_finds_a_sensor_in_a_private_space_of_the_layout(tmp_path: Path) -> None:
    """The agent's own file need not know who a space is for: the site's does."""
    site, agent = str(a_site_file(tmp_path)), str(written(tmp_path, ""))
    assert CliRunner().invoke(site_commands, ["check", site]).exit_code == 0
    refused = CliRunner().invoke(site_commands, ["check", site, "--agent", agent])
    assert isinstance(refused.exception, InputError)
    (complaint,) = refused.exception.complaints
    assert (complaint.where, "d01 is private" in complaint.what) == (agent, True)
    open_to_all = SITE.replace('purpose = "private"', "")
    (tmp_path / "site.toml").write_text(open_to_all)
    assert CliRunner().invoke(site_commands, ["check", site, "--agent", agent]).exit_code == 0
