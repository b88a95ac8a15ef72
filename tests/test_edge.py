"""A site's own broker is set up as the page on many sites says, line by line, and an agent is heard from there."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from perch import commands
from perch.adapters.health.collector import write_health
from perch.contract import topic
from perch.doctor.bridge import look_at_bridge, look_for_a_stranger
from perch.doctor.findings import Verdict
from perch.model import Identity
from perch.settings import load_server
from tests import parts
from tests.enrolled import Client5, Heard, Secured, Venue, comes_in, venue
from tests.parts import LOOPBACK, free_port, until
from tests.test_doctor_server import NOW, health
from tests.test_enroll import Pi, inviting

PAGE = (Path(__file__).parents[1] / "docs" / "scale.md").read_text("utf-8")
CHAPTER = PAGE.partition("## A broker at each site\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```(sh|toml)\n(.*?)\n```", CHAPTER, re.DOTALL)
AGENT = "hq/pi-1"


class Site:
    """A machine at a site, below a folder: what the page names there lies under it, and ports are free ones."""

    def __init__(self, root: Path, centre: Venue) -> None:
        self.root, self.centre = root, centre
        self.config, self.conf_d = root / "etc/perch/perch.toml", root / "etc/mosquitto/conf.d"
        self.port = free_port()
        self.conf_d.mkdir(parents=True)
        (root / "etc/mosquitto/perch").mkdir()
        (self.conf_d / "perch.conf").symlink_to(root / "etc/mosquitto/perch/mosquitto.conf")
        text = f"include_dir {self.conf_d}"
        self.mosquitto = Secured(parts.find_mosquitto() or "", root, text, self.port)

    def words(self, line: str) -> list[str]:
        """Give a line of the page as it is typed here."""
        line = line.replace("/etc/", f"{self.root}/etc/").replace("edge.hq.example", LOOPBACK)
        to = f"{LOOPBACK}:{self.centre.enrolment.port}"
        return shlex.split(re.sub(r"broker\.example(:8883)?", to, line))

    def installed(self) -> None:
        """Do what makes the machine of a folder: places and ports of its own."""
        text = self.config.read_text().replace('"/etc/', f'"{self.root}/etc/').replace('"/var/', f'"{self.root}/var/')
        text = text.replace("port = 1883", f"port = {self.port}")
        ports = f"port = {free_port()}\ndesk_port = {free_port()}\npid_file = '{self.root}/mosquitto.pid'"
        self.config.write_text(text.replace("[enrolment]", f"[enrolment]\n{ports}"))

    def copied(self) -> None:
        """Take what the page says from one machine to the other."""
        (self.root / "etc/perch/hq").mkdir()
        (self.root / "etc/perch/hq/site.toml").write_bytes((self.centre.folder / "hq.toml").read_bytes())
        (self.root / "etc/perch/network-ca.pem").write_bytes(self.centre.files.authority.certificate.read_bytes())
        (self.centre.folder / "edge-hq.password").write_bytes((self.root / "etc/perch/edge.password").read_bytes())

    def bridge(self) -> Verdict:
        """Give what the doctor says of the bridge."""
        [found] = look_at_bridge(load_server(self.config, {}).broker, "hq", "the centre")
        return found.verdict

    def looks(self, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
        """Give what the doctor says of each part."""
        capsys.readouterr()
        commands.run(["doctor", "--config", str(self.config), "--json"])
        found: dict[str, list[str]] = {}
        for one in json.loads(capsys.readouterr().out):
            found.setdefault(one["part"], []).append(one["verdict"])
        return found


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Venue]:
    program = parts.find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    (tmp_path / "centre").mkdir()
    with venue(program, tmp_path / "centre", Identity.PASSWORD) as made:
        yield made


@pytest.fixture
def site(centre: Venue, tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "site", centre)
    try:
        yield made
    finally:
        made.mosquitto.stop()


def test_a_sites_broker_is_set_up_as_the_page_says(
    site: Site, centre: Venue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, install), (_, table), (_, at_centre), (_, at_site) = BLOCKS
    before = centre.enrol("pi-1")
    assert commands.run([*site.words(install)[1:], "--root", str(site.root), "--program", "/bin/true"]) == 0
    assert {path.name for path in (site.root / "etc").rglob("*.service")} == set(), "nothing runs but the broker"
    site.installed()
    site.copied()
    with centre.config.open("a") as config:
        config.write(f"{table}\n")
    for line in at_centre.splitlines():
        assert commands.run(shlex.split(line.replace("/etc/perch/perch.toml", str(centre.config)))[1:]) == 0
    assert not comes_in(before)
    for line in at_site.splitlines():
        program, *words = site.words(line)
        if program == "systemctl":
            site.mosquitto.start()
            until(lambda: site.bridge() is Verdict.OK, 20)
        elif words[0] == "doctor":
            assert {verdict for found in site.looks(capsys).values() for verdict in found} <= {Verdict.OK, Verdict.WARN}
        elif words[1] == "token":
            _invited(site, tmp_path)
        else:
            assert commands.run(words) == 0
    _heard_at_the_centre(centre, tmp_path)
    for path in site.conf_d.iterdir():  # in a folder that mosquitto's own user may enter
        assert path.name in ("perch.conf", "perch-bridge.conf") or path.stat().st_mode & 0o777 == 0o644
    assert f"bridge_cafile {site.conf_d}/" in (site.conf_d / "perch-bridge.conf").read_text()
    centre.mosquitto.stop()
    until(lambda: site.bridge() is Verdict.FAULT, 20)
    centre.mosquitto.start()
    site.mosquitto.stop()
    (site.conf_d / "perch-bridge-ca.pem").write_bytes((site.root / "etc/mosquitto/perch/ca.pem").read_bytes())
    site.mosquitto.start()
    assert site.bridge() is Verdict.FAULT


def _invited(site: Site, folder: Path) -> None:
    (folder / "pi").mkdir()
    at = replace_config(site)
    with inviting(at, "token", AGENT) as (invitations, waiting):
        assert Pi(folder / "pi").enroll(invitations[0]) == 0
        assert waiting.wait(20) == 0


def replace_config(site: Site) -> Venue:
    """Let helpers that know venues invite at this site."""
    at = Venue.__new__(Venue)
    at.config = site.config
    return at


def _heard_at_the_centre(centre: Venue, folder: Path) -> None:
    with Heard(centre.server, "collector", topic("hq", "+", "up")) as collector:
        agent = Client5(Pi(folder / "pi").settings().broker)
        agent.publish(topic("hq", "pi-1", "up"), b"said at the site")
        assert collector.messages.get(timeout=10).payload == b"said at the site"
        agent.leave()


def test_the_doctor_at_a_site_sees_a_broker_without_a_bridge_and_a_collector_that_should_not_be_there(
    centre: Venue, tmp_path: Path
) -> None:
    [found] = look_at_bridge(centre.server, "hq", "broker.example:8883")
    assert (found.verdict, "perch site bridge hq" in found.remedy) == (Verdict.FAULT, True)
    assert [one.verdict for one in look_for_a_stranger(tmp_path, NOW)] == [Verdict.OK]
    write_health(tmp_path, health())
    assert [one.verdict for one in look_for_a_stranger(tmp_path, NOW)] == [Verdict.FAULT]


def test_a_server_is_not_made_a_sites_broker_by_the_way_nor_is_one_bridged_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["install", "edge", "--site", "hq", "--host", "edge.hq.example", "--root", str(tmp_path)]
    words += ["--program", "/bin/true", "--to"]
    assert commands.run([*words, "broker.example"]) == 0
    first = (tmp_path / "etc/perch/perch.toml").read_bytes()
    assert commands.run([*words, "broker.example:8883"]) == 0
    assert commands.run([*words, "other.example"]) == 2
    assert (tmp_path / "etc/perch/perch.toml").read_bytes() == first
    (tmp_path / "etc/perch/perch.toml").write_text('sites = ["hq/site.toml"]\n')
    assert commands.run([*words, "broker.example"]) == 2
    said = capsys.readouterr().err
    assert "bridged to broker.example:8883" in said
    assert "this is a server's: it collects" in said


def test_a_network_is_told_which_credentials_were_left_behind_when_a_site_got_a_broker_of_its_own(
    centre: Venue, capsys: pytest.CaptureFixture[str]
) -> None:
    centre.enrol("pi-1")
    with centre.config.open("a") as config:
        config.write('[[edge]]\nsite = "hq"\npassword_file = "edge"\n')
    for said in (True, False):
        assert commands.run(["agents", "prepare", "--config", str(centre.config)]) == 0
        assert ("perch agents revoke hq/pi-1" in capsys.readouterr().err) == said
        if said:
            assert commands.run(["agents", "revoke", "hq/pi-1", "--config", str(centre.config)]) == 0
