"""Server-sent events as a reader gets them over HTTP, from a real broker."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from perch.model import SpaceKind, State
from tests.parts import LOOPBACK, Broker, until
from tests.serving import Served, Speaker, a_site, a_space, server_settings, serving_connected


@dataclass(frozen=True)
class Event:
    """One event as it arrived."""

    name: str
    number: int
    data: Any


class Events:
    """The events of one connection, one after the other."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> Event:
        """Wait for the next event."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))
        raise EOFError("the stream has ended")

    def next_space(self) -> Event:
        """Wait for the next change of a space."""
        while (event := self.next()).name != "space":
            continue
        return event


@contextmanager
def listening(served: Served, query: str = "", last_seen: int | None = None) -> Iterator[Events]:
    """Open a stream of events."""
    headers = {} if last_seen is None else {"Last-Event-ID": str(last_seen)}
    with served.client.stream("GET", f"/api/v1/events{query}", headers=headers) as answer:
        assert answer.status_code == 200
        yield Events(answer)


@pytest.fixture
def served(mosquitto: Broker, tmp_path: Path) -> Iterator[Served]:
    """An API with two sites that hears a fresh broker."""
    sites = a_site("hq"), a_site("annex", spaces=(a_space("d01"), a_space("r1", SpaceKind.ROOM)))
    with serving_connected(server_settings(mosquitto.port, tmp_path, *sites)) as served:
        yield served


@pytest.fixture
def speaker(mosquitto: Broker) -> Iterator[Speaker]:
    """The agent of most spaces of the first site."""
    with Speaker(mosquitto) as speaker:
        yield speaker


def test_a_stream_begins_with_a_snapshot_and_goes_on_with_changes(served: Served, speaker: Speaker) -> None:
    with listening(served) as events:
        assert events.answer.headers["content-type"].startswith("text/event-stream")
        snapshot = events.next()
        assert snapshot.name == "snapshot"
        assert len(snapshot.data["items"]) == 6
        speaker.say("d01", State.FREE)
        first = events.next_space()
        speaker.say("d01", State.OCCUPIED)
        second = events.next_space()
    assert (first.data["state"], second.data["state"]) == ("free", "occupied")
    assert snapshot.number < first.number < second.number
    assert second.data == {**served.space("d01"), "age_seconds": second.data["age_seconds"]}


def test_a_repeated_state_is_no_event(served: Served, speaker: Speaker) -> None:
    with listening(served) as events:
        events.next()
        speaker.say("d01", State.FREE, since_ms=1)
        assert events.next_space().data["id"] == "d01"
        speaker.say("d01", State.FREE, since_ms=1)
        speaker.say("d02", State.FREE)
        assert events.next_space().data["id"] == "d02"


def test_staleness_is_an_event(served: Served, speaker: Speaker) -> None:
    with listening(served) as events:
        events.next()
        speaker.say("d01", State.FREE, valid_for_ms=1_000)
        assert events.next_space().data["state"] == "free"
        gone = events.next_space()
    assert (gone.data["id"], gone.data["state"], gone.data["reason"]) == ("d01", "unknown", "agent-offline")


def test_agents_tell_of_themselves(served: Served, speaker: Speaker) -> None:
    with listening(served) as events:
        events.next()
        speaker.beat()
        event = events.next()
        assert (event.name, event.data["id"], event.data["online"]) == ("agent", "pi-1", True)
        speaker.die()
        until(lambda: events.next().data.get("online") is False)


def test_a_reader_who_comes_back_gets_what_it_missed(served: Served, speaker: Speaker) -> None:
    with listening(served) as events:
        last_seen = events.next().number
    for state in (State.FREE, State.OCCUPIED, State.FREE):
        speaker.say("d01", state)
    speaker.say("d02", State.OCCUPIED)
    served.wait_for("d02", State.OCCUPIED)
    with listening(served, last_seen=last_seen) as events:
        missed = [events.next_space() for _ in range(4)]
    assert [event.data["state"] for event in missed] == ["free", "occupied", "free", "occupied"]
    with listening(served, last_seen=missed[1].number) as events:
        assert events.next_space() == missed[2]


def test_a_reader_from_before_a_restart_is_told_to_begin_anew(served: Served) -> None:
    with listening(served, last_seen=12345) as events:
        reset, snapshot = events.next(), events.next()
    assert (reset.name, snapshot.name) == ("reset", "snapshot")
    with served.client.stream("GET", "/api/v1/events", headers={"Last-Event-ID": "nonsense"}) as answer:
        assert Events(answer).next().name == "reset"


def test_filters_choose_site_and_kind(mosquitto: Broker, served: Served, speaker: Speaker) -> None:
    with (
        listening(served, "?site=hq&kind=room") as events,
        Speaker(mosquitto, site="annex") as other,
    ):
        assert [item["id"] for item in events.next().data["items"]] == ["r1"]
        other.say("r1", State.FREE)
        speaker.say("d01", State.FREE)
        served.wait_for("r1", State.FREE, site="annex")
        served.wait_for("d01", State.FREE)
        speaker.say("r1", State.OCCUPIED)
        event = events.next_space()
    assert (event.data["site"], event.data["id"], event.data["state"]) == ("hq", "r1", "occupied")


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("zone=rooms", {"r1"}),
        ("site=hq&floor=f1&min_capacity=4", {"r1"}),
        ("feature=window&kind=desk", {"d01"}),
        ("site=hq&feature=piano", set()),
    ],
)
def test_filters_choose_spaces_by_what_they_are(
    served: Served, speaker: Speaker, mosquitto: Broker, query: str, chosen: set[str]
) -> None:
    """A stream tells of exactly the spaces that the same filters choose in a list, in the snapshot and later on."""
    names = {item["id"] for item in served.json(f"/api/v1/spaces?site=hq&{query.removeprefix('site=hq&')}")["items"]}
    assert names == chosen
    with listening(served, f"?{query}") as events, Speaker(mosquitto, agent="pi-2") as other:
        assert {item["id"] for item in events.next().data["items"] if item["site"] == "hq"} == chosen
        for space in ("d01", "d02", "r1"):
            speaker.say(space, State.OCCUPIED)
        other.say("d03", State.OCCUPIED)
        speaker.beat()
        told = set()
        while (event := events.next()).name == "space":
            told.add(event.data["id"])
    assert told == chosen


def test_a_filter_by_state_is_refused_since_changes_would_be_lost(served: Served) -> None:
    answer = served.get("/api/v1/events?state=free&floor=../etc")
    assert [error["where"] for error in answer.json()["errors"]] == ["state", "floor"]


def test_while_a_reader_takes_nothing_others_see_every_change(served: Served, speaker: Speaker) -> None:
    with (
        socket.create_connection((LOOPBACK, int(served.url.rpartition(":")[2]))) as asleep,
        listening(served) as events,
    ):
        asleep.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        asleep.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        events.next()
        states = [State.FREE if number % 2 else State.OCCUPIED for number in range(300)]
        for state in states:
            speaker.say("d01", state)
        assert [events.next_space().data["state"] for _ in states] == states


def test_streams_end_when_the_api_ends(served: Served) -> None:
    with listening(served) as events:
        events.next()
        assert served.end()
        with pytest.raises(EOFError):
            events.next()
