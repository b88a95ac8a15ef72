"""What the API says now: heard from a real broker, believed only as long as it may be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perch.model import Clock, State
from tests.parts import Broker, until
from tests.serving import (
    OTHER_EPOCH,
    WEEK_MS,
    Served,
    Speaker,
    a_site,
    parts_of,
    server_settings,
    serving,
    serving_connected,
    wall_ms,
)


@pytest.fixture
def served(mosquitto: Broker, tmp_path: Path) -> Iterator[Served]:
    """An API that hears a fresh broker."""
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        yield served


@pytest.fixture
def speaker(mosquitto: Broker) -> Iterator[Speaker]:
    """The agent of most spaces."""
    with Speaker(mosquitto) as speaker:
        yield speaker


def test_a_space_that_was_never_heard_is_unknown(served: Served) -> None:
    item = served.space("d01")
    assert (item["state"], item["reason"]) == ("unknown", "never-reported")
    assert item["since"] is None
    assert item["age_seconds"] is None


def test_a_state_that_an_agent_publishes_is_shown(served: Served, speaker: Speaker) -> None:
    since_ms = wall_ms() - 60_000
    speaker.say("r1", State.OCCUPIED, count=3, since_ms=since_ms)
    item = served.wait_for("r1", State.OCCUPIED)
    assert item == {
        "site": "hq",
        "id": "r1",
        "name": "R1",
        "floor": "f1",
        "zone": "rooms",
        "kind": "room",
        "capacity": 6,
        "purpose": "shared",
        "features": [],
        "state": "occupied",
        "probability": 0.97,
        "count": 3,
        "reason": "motion",
        "since": item["since"],
        "age_seconds": item["age_seconds"],
    }
    assert item["since"].endswith("+00:00")
    assert 0 <= item["age_seconds"] <= 5


def test_a_retained_state_of_a_week_ago_is_never_free(mosquitto: Broker, speaker: Speaker, tmp_path: Path) -> None:
    speaker.say("d01", State.FREE, sent_ms=wall_ms() - WEEK_MS, valid_for_ms=86_400_000)
    speaker.say("d02", State.FREE)
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        served.wait_for("d02", State.FREE)
        item = served.wait_for("d01", State.UNKNOWN)
        assert until(lambda: served.space("d01")["reason"] == "agent-offline")
        assert item["age_seconds"] is None or item["age_seconds"] >= WEEK_MS // 1000


def test_a_retained_state_of_an_agent_without_a_clock_is_not_believed(
    mosquitto: Broker, speaker: Speaker, tmp_path: Path
) -> None:
    speaker.say("d01", State.FREE, clock=Clock.UNSYNCED)
    speaker.say("d02", State.FREE)
    with serving_connected(server_settings(mosquitto.port, tmp_path)) as served:
        served.wait_for("d02", State.FREE)
        assert until(lambda: served.space("d01")["reason"] == "agent-offline")
        speaker.say("d01", State.FREE, clock=Clock.UNSYNCED)
        served.wait_for("d01", State.FREE)


def test_a_silent_agent_turns_its_spaces_unknown(served: Served, speaker: Speaker) -> None:
    speaker.say("d01", State.FREE, valid_for_ms=1_500)
    served.wait_for("d01", State.FREE)
    item = served.wait_for("d01", State.UNKNOWN, timeout_s=1.5 + 5)
    assert item["reason"] == "agent-offline"


def test_a_will_turns_the_states_of_its_epoch_unknown_at_once(served: Served, speaker: Speaker) -> None:
    speaker.beat()
    speaker.say("d01", State.OCCUPIED)
    served.wait_for("d01", State.OCCUPIED)
    speaker.die()
    served.wait_for("d01", State.UNKNOWN, timeout_s=5)
    agent = served.json("/api/v1/agents")["items"][0]
    assert (agent["id"], agent["online"], agent["version"]) == ("pi-1", False, "1.2.3")


def test_a_late_will_of_an_earlier_epoch_changes_nothing(mosquitto: Broker, served: Served, speaker: Speaker) -> None:
    speaker.beat()
    speaker.say("d01", State.OCCUPIED)
    with Speaker(mosquitto, epoch=OTHER_EPOCH) as earlier:
        earlier.die()
    speaker.say("d02", State.OCCUPIED)
    served.wait_for("d02", State.OCCUPIED)
    assert served.space("d01")["state"] == "occupied"
    assert served.json("/api/v1/agents")["items"][0]["online"] is True


def test_another_agent_cannot_speak_for_a_space(mosquitto: Broker, served: Served) -> None:
    with Speaker(mosquitto, agent="pi-2") as other:
        other.say("d01", State.FREE)
        other.say("d03", State.FREE)
    served.wait_for("d03", State.FREE)
    assert served.space("d01")["reason"] == "never-reported"


def test_nonsense_on_the_wire_harms_nobody(served: Served, speaker: Speaker) -> None:
    speaker.say_raw("perch/v1/hq/pi-1/state/d01", b"[" * 10_000)
    speaker.say_raw("perch/v1/hq/pi-1/state/d01", b"")
    speaker.say_raw("perch/v1/hq/pi-1/status", b"\xff\xfe")
    speaker.say_raw("perch/v1/HQ/pi-1/status", b"{}")
    speaker.say_raw("perch/v1/nowhere/pi-1/status", b"{}")
    speaker.say("d01", State.FREE)
    assert served.wait_for("d01", State.FREE)


def test_agents_and_sensors_are_listed_as_they_describe_themselves(served: Served, speaker: Speaker) -> None:
    speaker.beat(trouble="its disk is full")
    until(lambda: served.json("/api/v1/agents?site=hq")["items"][0]["online"])
    first, second = served.json("/api/v1/agents")["items"]
    assert (first["site"], first["id"], first["run"], first["outbox"]) == ("hq", "pi-1", 7, 12)
    assert (first["trouble"], second["trouble"]) == ("its disk is full", None)
    assert first["spaces"] == ["d01", "d02", "r1"]
    assert (second["id"], second["online"], second["run"], second["last_heard"]) == ("pi-2", False, None, None)
    (sensor,) = served.json("/api/v1/sensors")["items"]
    expected = ("hq", "pi-1", "pir1", "motion", "d01", "ok")
    assert tuple(sensor[name] for name in ("site", "agent", "id", "kind", "space", "health")) == expected


def test_nobody_knows_the_health_of_sensors_whose_agent_is_gone(served: Served, speaker: Speaker) -> None:
    speaker.beat()
    until(lambda: served.json("/api/v1/sensors")["items"])
    speaker.die()
    assert until(lambda: served.json("/api/v1/sensors")["items"][0]["health"] is None)


def test_the_api_serves_on_and_recovers_when_the_broker_goes_and_comes(mosquitto: Broker, served: Served) -> None:
    mosquitto.stop()
    until(lambda: not parts_of(served)["broker"]["ok"])
    assert served.get("/readyz").status_code == 503
    assert served.get("/healthz").status_code == 200
    assert len(served.json("/api/v1/spaces")["items"]) == 4
    mosquitto.start()
    until(lambda: parts_of(served)["broker"]["ok"], timeout_s=30)
    with Speaker(mosquitto) as speaker:
        speaker.say("d01", State.FREE)
        served.wait_for("d01", State.FREE)


def test_the_api_starts_without_a_broker(tmp_path: Path, mosquitto: Broker) -> None:
    mosquitto.stop()
    with serving(server_settings(mosquitto.port, tmp_path)) as served:
        assert served.json("/api/v1/summary")["unknown"] == 4
        assert "broker" in served.get("/readyz").text


def test_sites_name_their_time_zone_floors_and_zones(mosquitto: Broker, tmp_path: Path) -> None:
    sites = a_site("hq"), a_site("annex", time_zone="Asia/Kathmandu")
    with serving_connected(server_settings(mosquitto.port, tmp_path, *sites)) as served:
        listed = served.json("/api/v1/sites")
        assert [site["id"] for site in listed["items"]] == ["annex", "hq"]
        assert listed["items"][0] == {
            "id": "annex",
            "name": "Harbour House",
            "time_zone": "Asia/Kathmandu",
            "floors": [{"id": "f1", "name": "First floor"}],
            "zones": [{"id": "open", "floor": "f1"}, {"id": "rooms", "floor": "f1"}],
        }
        with Speaker(mosquitto, site="annex") as speaker:
            speaker.say("d01", State.FREE)
            assert served.wait_for("d01", State.FREE, site="annex")["since"].endswith("+05:45")
        assert served.json("/api/v1/spaces?site=annex")["as_of"].endswith("+05:45")
