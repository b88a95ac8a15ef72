"""Filters, pages and sums over any network in any state."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from api.application import build, serving, with_routes
from api.audit_taps import Taps
from api.history_files import HistoryFiles
from api.live import Live
from api.selection import cursor_at, page_of, parse_cursor
from perch import contract
from perch.adapters.mqtt import Received
from perch.contract import LiveState
from perch.delivery.liveness import Instant
from perch.model import Clock, Purpose, Reason, SpaceKind, State, is_id
from tests.serving import EPOCH, a_site, a_space

NOW = Instant(1_790_000_000_000, 5_000_000)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}", fullmatch=True)
FEATURES = ("window", "monitor", "quiet")
NO_TAPS = Taps(Path("/nowhere"), 0, lambda: 0)
ROUTES = with_routes()  # its first answer costs a hundred times as much as any other


class Asked(NamedTuple):
    """A network with the states that are shown, and an application that serves it."""

    items: list[dict[str, Any]]
    app: ASGIApp

    def get(self, address: str) -> Any:
        """Ask the application directly."""
        answer = asyncio.run(self._get(address))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def _get(self, address: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://localhost") as client:
            return await client.get(address)


@st.composite
def networks(draw: st.DrawFn) -> Asked:
    """Draw one or two sites with a handful of spaces, some of which were heard."""
    sites = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True)):
        spaces = tuple(
            a_space(
                space,
                draw(st.sampled_from(SpaceKind)),
                capacity=draw(st.none() | st.integers(0, 12)),
                zone=draw(st.sampled_from(["open", "rooms"])),
                features=draw(st.frozensets(st.sampled_from(FEATURES))),
                purpose=draw(st.sampled_from(Purpose)),
            )
            for space in draw(st.lists(NAMES, max_size=8, unique=True))
        )
        sites.append(a_site(name, spaces=spaces))
    live = Live(sites, lambda: NOW)
    for site in sites:
        for space in site.spaces:
            state = draw(st.none() | st.sampled_from(State))
            if state is not None:
                said = LiveState(
                    v=1,
                    epoch=EPOCH,
                    state=state,
                    probability=0.5,
                    count=None,
                    reason=Reason.QUIET,
                    since_ms=NOW.wall_ms,
                    sent_ms=NOW.wall_ms,
                    clock=Clock.OK,
                )
                published = contract.build_state(site.id, "pi-1", space.id, said)
                live.hear(Received(published.topic, published.payload, retained=False))
    return Asked(_plain_items(live), serving(ROUTES, live, HistoryFiles({}, Path("/nowhere"))))


def _plain_items(live: Live) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(_plain(live.item(shown, NOW)))) for _, shown in live.all()]


def _plain(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__struct_fields__}


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "floor": st.sampled_from(["f1", "f2"]),
        "zone": st.sampled_from(["open", "rooms", "attic"]),
        "kind": st.sampled_from([kind.value for kind in SpaceKind]),
        "state": st.sampled_from([state.value for state in State]),
        "feature": st.sampled_from([*FEATURES, "piano"]),
        "min_capacity": st.integers(0, 12),
    },
)


def wanted(item: dict[str, Any], filters: dict[str, Any]) -> bool:
    """Say in the plainest way whether an item is asked for."""
    for name, value in filters.items():
        if name == "feature":
            if value not in item["features"]:
                return False
        elif name == "min_capacity":
            if item["capacity"] is None or item["capacity"] < value:
                return False
        elif item[name] != value:
            return False
    return True


@settings(max_examples=25)
@given(networks(), FILTERS, st.integers(1, 5))
def test_pages_of_filtered_spaces_are_what_a_plain_filter_gives(
    network: Asked, filters: dict[str, Any], limit: int
) -> None:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    expected = [item for item in network.items if wanted(item, filters)]
    assert network.get(f"/api/v1/spaces?{query}")["items"] == expected
    paged: list[Any] = []
    cursor = ""
    while True:
        page = network.get(f"/api/v1/spaces?{query}&limit={limit}{cursor}")
        assert len(page["items"]) <= limit
        paged += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert paged == expected


@settings(max_examples=25)
@given(networks(), st.sampled_from(["", *SpaceKind]))
def test_a_summary_always_adds_up(network: Asked, kind: str) -> None:
    answer = network.get(f"/api/v1/summary?kind={kind}" if kind else "/api/v1/summary")
    items = [item for item in network.items if kind in ("", item["kind"])]
    names = ("free", "occupied", "unknown")
    for part, of_part in (
        (answer, items),
        *((tally, [i for i in items if i["site"] == site]) for site, tally in answer["by_site"].items()),
        *((tally, [i for i in items if i["kind"] == known]) for known, tally in answer["by_kind"].items()),
    ):
        assert part["total"] == sum(part[name] for name in names) == len(of_part)
        assert all(part[name] == sum(item["state"] == name for item in of_part) for name in names)
    for parts in ("by_site", "by_kind"):
        assert sum(tally["total"] for tally in answer[parts].values()) == answer["total"]


@given(st.lists(NAMES, min_size=1, max_size=3).map(tuple))
def test_a_cursor_comes_back_as_it_was(key: tuple[str, ...]) -> None:
    assert parse_cursor(cursor_at(key)) == key


@given(st.text(max_size=40))
def test_a_cursor_that_nobody_gave_is_refused_or_harmless(text: str) -> None:
    with suppress(ValueError):
        assert all(map(is_id, parse_cursor(text)))


@given(st.lists(st.tuples(NAMES, NAMES), unique=True, max_size=12), st.data())
def test_pages_neither_repeat_nor_skip_what_stays_while_spaces_come_and_go(
    keys: list[tuple[str, str]], data: st.DataObject
) -> None:
    stay = set(data.draw(st.lists(st.sampled_from(keys), unique=True))) if keys else set()
    seen: list[tuple[str, str]] = []
    after = None
    while True:
        present = sorted(stay | set(data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []))
        page, following = page_of(((key, key) for key in present), after, 2)
        seen += page
        if following is None:
            break
        after = parse_cursor(following)
    assert len(seen) == len(set(seen))
    assert stay <= set(seen)


@pytest.mark.parametrize("address", ["sites", "agents", "sensors", "definitions"])
def test_every_list_has_the_same_envelope(address: str) -> None:
    network = Asked([], build(Live((a_site(),), lambda: NOW), HistoryFiles({}, Path("/nowhere")), NO_TAPS, ()))
    assert set(network.get(f"/api/v1/{address}")) == {"items", "next", "as_of"}
