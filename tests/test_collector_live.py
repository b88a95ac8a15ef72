"""What InfluxDB is told of this very moment: zones and agents, when they change and at times."""

import threading
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from collector import process
from collector.live import Live
from perch import contract
from perch.contract import LiveState, SensorStatus, Status
from perch.delivery.liveness import Instant
from perch.errors import ContractError
from perch.model import Clock, Purpose, Reason, SensorHealth, Site, State
from perch.settings import Broker, ServerSettings
from tests import parts
from tests.parts import until
from tests.serving import EPOCH, OTHER_EPOCH, Speaker, a_site, a_space

BEGIN = Instant(1_700_000_100_000, 5_000_000)  # ten seconds after a full quarter hour


class Clockwork:
    """A live overlay whose time the test moves, and the rows that it offered, read back."""

    def __init__(self, *sites: Site) -> None:
        self.now = BEGIN
        self._rows: list[str] = []
        self.live = Live(sites or (a_site(),), self._offer, self.now)

    def _offer(self, rows: Iterable[str]) -> None:
        self._rows.extend(rows)

    def wait(self, seconds: float) -> None:
        """Let time pass, looking ten times a second, as the collector does."""
        for _ in range(round(seconds * 10)):
            self.now = Instant(self.now.wall_ms + 100, self.now.mono_ms + 100)
            self.live.settle(self.now)

    def rows(self, measurement: str, **tags: str) -> list[dict[str, int]]:
        """The fields of the rows offered since this was asked last, oldest first."""
        wanted = [measurement, *(f"{name}={value}" for name, value in tags.items())]
        found = [row for row in self._rows if set(wanted) <= set(row.split(" ")[0].split(","))]
        self._rows = [row for row in self._rows if row not in found]
        return [
            {name: int(value[:-1]) for name, value in (field.split("=") for field in row.split(" ")[1].split(","))}
            for row in found
        ]

    def state(self, space: str, state: State, *, agent: str = "pi-1", retained: bool = False, **changed: Any) -> None:
        said = LiveState(
            v=1,
            epoch=EPOCH,
            state=state,
            probability=0.5,
            count=None,
            reason=Reason.QUIET,
            since_ms=self.now.wall_ms,
            sent_ms=self.now.wall_ms,
            clock=Clock.OK,
        )
        for name, value in changed.items():
            said = LiveState(**{**{key: getattr(said, key) for key in said.__struct_fields__}, name: value})
        publication = contract.build_state("hq", agent, space, said)
        address = contract.parse_topic(publication.topic)
        self.live.hear(address, publication.payload, self.now, retained=retained)

    def status(self, *, agent: str = "pi-1", online: bool = True, retained: bool = False, **changed: Any) -> None:
        status = Status(v=1, online=online, **{"epoch": EPOCH, "run": 1, **changed})
        publication = contract.build_status("hq", agent, status)
        address = contract.parse_topic(publication.topic)
        self.live.hear(address, publication.payload, self.now, retained=retained)


OPEN = {"zone": "open"}


def test_a_change_makes_one_row_of_its_zone_and_what_changes_at_once_makes_one_together() -> None:
    time = Clockwork()
    time.state("d01", State.FREE)
    time.state("d02", State.OCCUPIED)
    time.wait(1)
    assert time.rows("zone_now", **OPEN) == [{"free": 1, "occupied": 1, "unknown": 1, "total": 3}]
    time.state("d01", State.FREE, probability=0.1)
    time.wait(3)
    assert time.rows("zone_now", **OPEN) == [], "a new probability changes nothing here"


def test_every_zone_has_a_row_each_fifteen_seconds() -> None:
    time = Clockwork()
    time.wait(46)
    assert len(time.rows("zone_now", zone="open", kind="desk")) == 3
    assert (
        time.rows("zone_now", zone="rooms", kind="room") == [{"free": 0, "occupied": 0, "unknown": 1, "total": 1}] * 3
    )


def test_old_evidence_is_never_free() -> None:
    time = Clockwork()
    time.state("d01", State.FREE)
    time.wait(89)
    assert {row["free"] for row in time.rows("zone_now", **OPEN)} == {1}
    time.wait(3)
    assert time.rows("zone_now", **OPEN)[-1] == {"free": 0, "occupied": 0, "unknown": 3, "total": 3}


def test_a_state_that_the_broker_kept_for_a_week_is_unknown() -> None:
    time = Clockwork()
    time.state("d01", State.FREE, retained=True, sent_ms=BEGIN.wall_ms - 7 * 86_400_000)
    time.wait(16)
    assert {row["free"] for row in time.rows("zone_now", **OPEN)} == {0}


def test_an_agent_that_is_gone_vouches_for_nothing() -> None:
    time = Clockwork()
    time.state("d01", State.FREE)
    time.status(online=False)
    time.wait(1)
    assert time.rows("zone_now", **OPEN)[-1]["free"] == 0
    time.status()
    time.wait(1)
    assert time.rows("zone_now", **OPEN)[-1]["free"] == 1, "a late will is corrected by the next heartbeat"


def test_an_agent_is_heard_only_for_the_spaces_that_it_serves() -> None:
    time = Clockwork()
    time.state("d03", State.FREE)
    time.state("d01", State.FREE, agent="pi-2")
    time.wait(1)
    assert time.rows("zone_now") == []
    time.state("d03", State.FREE, agent="pi-2")
    time.wait(1)
    assert time.rows("zone_now", **OPEN)[0]["free"] == 1


def test_every_space_that_stands_there_is_counted_sensed_or_not() -> None:
    spaces = (a_space("d01"), a_space("d02", agent=None), a_space("d03", purpose=Purpose.PRIVATE))
    time = Clockwork(a_site(spaces=spaces))
    time.state("d01", State.OCCUPIED)
    time.wait(1)
    assert time.rows("zone_now") == [{"free": 0, "occupied": 1, "unknown": 2, "total": 3}]


def test_a_layout_that_changes_at_midnight_changes_at_midnight() -> None:
    """Lisbon, in winter: midnight is midnight UTC."""
    moved = date(2023, 11, 15)
    spaces = (
        a_space("d01", valid_until=moved),
        a_space("d01", zone="rooms", agent="pi-2", valid_from=moved),
        a_space("d02"),
    )
    time = Clockwork(a_site(spaces=spaces))
    before = Instant(1_700_006_400_000 - 20_000, BEGIN.mono_ms)
    time.now = before
    time.live = Live((a_site(spaces=spaces),), time._offer, before)
    time.state("d01", State.FREE)
    time.state("d02", State.FREE)
    time.wait(19)
    assert time.rows("zone_now", **OPEN)[-1]["total"] == 2
    time.wait(3)
    assert time.rows("zone_now", **OPEN)[-1] == {"free": 1, "occupied": 0, "unknown": 0, "total": 1}
    assert time.rows("zone_now", zone="rooms")[-1] == {"free": 0, "occupied": 0, "unknown": 1, "total": 1}
    time.state("d01", State.FREE, agent="pi-2")
    time.wait(1)
    assert time.rows("zone_now", zone="rooms")[-1]["free"] == 1


def silent(health: SensorHealth) -> dict[str, SensorStatus]:
    return {"pir1": SensorStatus(health, 0, None), "pir2": SensorStatus(SensorHealth.OK, 0, 1)}


def test_an_agent_has_a_row_when_something_of_it_changes_and_each_quarter_hour() -> None:
    time = Clockwork()
    time.status(outbox=3, sensors=silent(SensorHealth.SILENT))
    time.wait(2)
    assert time.rows("fleet", agent="pi-1") == [{"online": 1, "outbox": 3, "silent_sensors": 1}]
    time.status(outbox=3, sensors=silent(SensorHealth.SILENT))
    time.wait(2)
    time.status(outbox=0, sensors=silent(SensorHealth.OK))
    time.wait(2)
    assert time.rows("fleet", agent="pi-1") == [{"online": 1, "outbox": 0, "silent_sensors": 0}]
    for _ in range(30):
        time.status(outbox=0, sensors=silent(SensorHealth.OK))
        time.wait(30)
    assert time.rows("fleet", agent="pi-1") == [{"online": 1, "outbox": 0, "silent_sensors": 0}]


def test_a_silent_agent_is_offline_after_three_heartbeats_and_a_dead_one_at_its_will() -> None:
    time = Clockwork()
    for agent in ("pi-1", "pi-2"):
        time.status(agent=agent)
    time.wait(1)
    time.status(agent="pi-2", online=False)
    time.wait(1)
    assert [row["online"] for row in time.rows("fleet", agent="pi-1")] == [1]
    assert [row["online"] for row in time.rows("fleet", agent="pi-2")] == [1, 0]
    time.wait(95)
    assert [row["online"] for row in time.rows("fleet", agent="pi-1")] == [0]


def test_an_agent_that_states_is_online_although_its_statuses_are_lost() -> None:
    time = Clockwork()
    time.status()
    for _ in range(4):
        time.wait(30)
        time.state("d01", State.FREE)
    time.wait(30)
    assert [row["online"] for row in time.rows("fleet", agent="pi-1")] == [1]


def test_after_a_start_a_kept_state_tells_that_its_agent_lived_when_it_was_sent() -> None:
    time = Clockwork()
    time.state("d01", State.FREE, retained=True, sent_ms=BEGIN.wall_ms - 80_000)
    time.wait(2)
    assert time.rows("fleet") == [], "nothing is known of it before its status"
    time.status(retained=True)
    time.wait(12)
    assert [row["online"] for row in time.rows("fleet", agent="pi-1")] == [1, 0]


def test_a_clock_that_is_set_makes_old_states_unknown_at_once() -> None:
    time = Clockwork()
    time.state("d01", State.FREE)
    time.wait(2)
    assert time.rows("zone_now", **OPEN)[-1]["free"] == 1
    time.now = Instant(time.now.wall_ms + 3_600_000, time.now.mono_ms)
    time.wait(2)
    assert time.rows("zone_now", **OPEN)[-1]["free"] == 0


def test_a_will_speaks_of_its_own_epoch_only() -> None:
    time = Clockwork()
    time.status()
    time.status(online=False, epoch=OTHER_EPOCH)
    time.wait(1)
    assert [row["online"] for row in time.rows("fleet", agent="pi-1")] == [1]


def test_after_a_start_nobody_is_called_offline_before_its_heartbeat_could_come() -> None:
    time = Clockwork()
    time.status(retained=True)
    time.wait(80)
    assert time.rows("fleet") == []
    time.wait(12)
    assert [row["online"] for row in time.rows("fleet")] == [0, 0]


def test_an_agent_that_no_layout_names_leaves_no_row() -> None:
    time = Clockwork()
    time.status(agent="pi-9")
    time.state("d77", State.FREE)
    time.wait(2)
    assert time.rows("fleet", agent="pi-9") == []
    assert time.rows("zone_now") == []


def test_a_retained_message_that_was_cleared_is_no_error_and_a_bad_one_is() -> None:
    time = Clockwork()
    address = contract.parse_topic("perch/v1/hq/pi-1/state/d01")
    time.live.hear(address, b"", time.now, retained=False)
    with pytest.raises(ContractError):
        time.live.hear(address, b"{}", time.now, retained=False)


def test_influxdb_shows_zones_and_agents_as_they_are_now(
    mosquitto: parts.Broker, influxdb: parts.Influx, tmp_path: Path
) -> None:
    served = ServerSettings(tmp_path / "data", (a_site(),), (), Broker(port=mosquitto.port), influxdb.settings)
    stop = threading.Event()
    collector = threading.Thread(target=process.run, args=[served, stop])
    collector.start()
    try:
        with Speaker(mosquitto) as agent:
            agent.beat()

            def seen(measurement: str) -> list[dict[str, Any]]:
                return influxdb.query(f"SELECT * FROM {measurement} ORDER BY time", influxdb.zones_bucket)  # noqa: S608 - our own

            def say(state: State) -> bool:
                agent.say("d01", state)
                agent.beat()
                return any(row[str(state)] == 1 for row in seen("zone_now"))

            until(lambda: say(State.OCCUPIED), timeout_s=20)
            until(lambda: say(State.FREE), timeout_s=20)
            until(lambda: any(row["online"] == 1 for row in seen("fleet")))
        (zone,) = {(row["site"], row["floor"], row["zone"], row["kind"]) for row in seen("zone_now") if row["free"]}
        assert zone == ("hq", "f1", "open", "desk")
        assert {row["total"] for row in seen("zone_now") if row["zone"] == "open"} == {3}
    finally:
        stop.set()
        collector.join(20)
