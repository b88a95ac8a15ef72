"""The page and its link to the server: what it may go on showing when the link is not what it seems."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from perch.chaos.proxy import Link, Weather
from perch.model import State
from tests.parts import LOOPBACK, Broker, free_port, until
from tests.serving import Served, Speaker, server_settings, serving_connected, wall_ms
from tests.test_page import let

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HEARD_BEFORE_MS = 60_000

DEAF = """
const Real = EventSource;
window.streams = [];
window.EventSource = class extends Real {
  constructor(...given) {
    super(...given);
    streams.push(this);
  }
  addEventListener(name, act) {
    super.addEventListener(name, (event) => this.deaf || act(event));
  }
};
Object.assign(window.EventSource, { CONNECTING: 0, OPEN: 1, CLOSED: 2 });
"""
"""Lets a test make the page's streams deaf: they stay open, and say nothing any more."""


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


@contextmanager
def watched(browser: "Browser", address: str, script: str = "") -> Iterator["Page"]:
    """Open the page in a browser whose clock the test moves."""
    made = browser.new_context()
    page = made.new_page()
    page.clock.install()
    if script:
        page.add_init_script(script)
    page.goto(f"{address}/?site=hq")
    page.locator("body[data-link=live]").wait_for()
    try:
        yield page
    finally:
        made.close()


def state_of(page: "Page", space: str) -> str:
    return page.locator(f'.row[data-space="{space}"]').get_attribute("data-state") or ""


def test_behind_a_dead_link_each_state_ends_at_its_own_time(
    served: Served, speaker: Speaker, chromium: "Browser"
) -> None:
    """The link says nothing, and nobody tells the page: what was old already when it died must not stay for long."""
    link = Link(free_port(), int(served.url.rpartition(":")[2]))
    link.start()
    try:
        speaker.say("d01", State.FREE, sent_ms=wall_ms() - HEARD_BEFORE_MS)
        speaker.say("d02", State.FREE)
        served.wait_for("d02", State.FREE)
        with watched(chromium, f"http://{LOOPBACK}:{link.port}") as page:
            until(lambda: (state_of(page, "d01"), state_of(page, "d02")) == ("free", "free"))
            link.turn(Weather(silent=True))
            assert let(page, lambda: state_of(page, "d01") == "unknown") <= 90 - HEARD_BEFORE_MS // 1000 + 2
            assert state_of(page, "d02") == "free"
            page.clock.fast_forward("01:00:00")  # the lid was closed for an hour
            let(page, lambda: state_of(page, "d02") == "unknown", seconds=3)
            assert "This page has lost its connection" in page.locator('.row[data-space="d02"] .note').inner_text()
    finally:
        link.stop()


def test_a_stream_that_fell_silent_is_found_out_although_the_numbers_agree(
    served: Served, speaker: Speaker, chromium: "Browser"
) -> None:
    """One desk becomes free as another one ceases to be: whoever compares only counts notices nothing."""
    speaker.say("d01", State.FREE)
    speaker.say("d02", State.OCCUPIED)
    served.wait_for("d02", State.OCCUPIED)
    with watched(chromium, served.url, DEAF) as page:
        until(lambda: state_of(page, "d01") == "free")
        page.evaluate("streams.forEach((stream) => { stream.deaf = true; })")
        speaker.say("d01", State.OCCUPIED)
        speaker.say("d02", State.FREE)
        served.wait_for("d02", State.FREE)
        let(page, lambda: state_of(page, "d01") == "occupied", seconds=20)
        until(lambda: state_of(page, "d02") == "free")
        assert page.evaluate("streams.length") == 2


def test_events_of_long_ago_are_not_taken_for_new(served: Served, speaker: Speaker, chromium: "Browser") -> None:
    """A device that slept finds in its stream what happened before: it proves nothing about now."""
    with watched(chromium, served.url, DEAF) as page:
        speaker.say("d01", State.OCCUPIED)
        until(lambda: state_of(page, "d01") == "occupied")
        item = served.space("d01")
        served.end()
        page.clock.fast_forward("01:00:00")
        old = {**item, "state": "free", "reason": "quiet"}
        page.evaluate(
            "([item, at]) => streams[0].dispatchEvent(new MessageEvent('space',"
            " { data: JSON.stringify(item), lastEventId: String(at) }))",
            [old, wall_ms() * 1000],
        )
        page.clock.run_for(1_000)
        assert state_of(page, "d01") == "unknown"
