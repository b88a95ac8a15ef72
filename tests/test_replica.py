"""An API that keeps nothing answers as the main one does, and says of the rest where it is to be had."""

from dataclasses import replace
from pathlib import Path

import pytest

from perch.errors import InputError
from perch.model import State
from perch.settings import Influx
from tests.parts import Broker, free_port
from tests.serving import Speaker, a_site, server_settings, serving


def test_a_replica_shows_what_holds_and_leaves_no_file(mosquitto: Broker, tmp_path: Path) -> None:
    settings = replace(
        server_settings(mosquitto.port, tmp_path / "none"), influx=Influx(f"http://127.0.0.1:{free_port()}")
    )
    with serving(settings.as_replica()) as served, Speaker(mosquitto) as pi:
        pi.say("d01", State.FREE)
        served.wait_for("d01", State.FREE)
        for method, path in (
            ("GET", "/api/v1/watches"),
            ("POST", "/api/v1/audit/taps"),
            ("GET", "/login"),
            ("POST", "/login"),
            ("GET", "/audit"),
        ):
            answer = served.client.request(method, path)
            assert answer.status_code == 503
            assert "keeps nothing" in answer.json()["detail"]
            assert answer.headers["x-content-type-options"] == "nosniff"
        page = served.client.get("/login", headers={"Accept": "text/html"})
        assert (page.status_code, "keeps nothing" in page.text, "<html" in page.text) == (503, True, True)
    assert not (tmp_path / "none").exists()


def test_a_replica_without_an_influxdb_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="influx"):
        server_settings(1883, tmp_path).as_replica()


def test_a_collector_of_sites_that_are_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no site far.*hq"):
        server_settings(1883, tmp_path, a_site()).only(["hq", "far"])


def test_a_collector_of_some_sites_leaves_the_others_alone(tmp_path: Path) -> None:
    some = server_settings(1883, tmp_path, a_site(), a_site("far"), a_site("off")).only(["far"])
    assert [site.id for site in some.sites] == ["far"]
    assert some.elsewhere == {"hq", "off"}
