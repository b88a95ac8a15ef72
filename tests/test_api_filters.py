"""Filters, pages and sums over any network in any state."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import ASGIApp

from api.application import build, serving, with_routes
from api.audit.taps import Taps
from api.history.files import history_in_files
from api.live.live import Live
from api.live.paging import Page, keyed_page, question, ranked_page
from perch import contract
from perch.adapters.mqtt.connection import Received
from perch.contract import LiveState
from perch.delivery.liveness import Instant
from perch.model import Clock, Purpose, Reason, SpaceKind, State
from tests.examples import usually
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


def hear(live: Live, site: str, space: str, state: State, probability: float) -> None:
    """Let a space be heard of."""
    said = LiveState(
        v=1,
        epoch=EPOCH,
        state=state,
        probability=probability,
        count=None,
        reason=Reason.QUIET,
        since_ms=NOW.wall_ms,
        sent_ms=NOW.wall_ms,
        clock=Clock.OK,
    )
    published = contract.build_state(site, "pi-1", space, said)
    live.hear(Received(published.topic, published.payload, retained=False))


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
                hear(live, site.id, space.id, state, draw(st.sampled_from([0.02, 0.5, 0.97])))
    return Asked(_plain_items(live), serving(ROUTES, live, history_in_files({}, Path("/nowhere"))))


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


def usual_order(item: dict[str, Any]) -> Any:
    """Say in the plainest way where an item stands by default."""
    return ["free", "unknown", "occupied"].index(item["state"]), item["probability"], item["site"], item["id"]


@usually(15)
@given(networks(), FILTERS, st.integers(1, 5), st.sampled_from(["", "id", "free-first"]))
def test_pages_of_filtered_spaces_are_what_a_plain_filter_gives(
    network: Asked, filters: dict[str, Any], limit: int, order: str
) -> None:
    asked = {**filters, "order": order} if order else filters
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    expected = [item for item in network.items if wanted(item, filters)]
    if order != "id":
        expected.sort(key=usual_order)
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


@usually(15)
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


KEYS = st.lists(st.tuples(NAMES, NAMES), unique=True, max_size=12)
ASKED = question("/spaces", {"kind": "desk"})


@usually(30)
@given(KEYS, st.data())
def test_pages_neither_repeat_nor_skip_what_stays_while_spaces_come_and_go(
    keys: list[tuple[str, str]], data: st.DataObject
) -> None:
    stay = set(data.draw(st.lists(st.sampled_from(keys), unique=True))) if keys else set()
    seen: list[tuple[str, str]] = []
    cursor = None
    while True:
        present = sorted(stay | set(data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else []))
        page, cursor = keyed_page(((key, key) for key in present), Page(ASKED, 2, cursor))
        seen += page
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert stay <= set(seen)


@usually(30)
@given(KEYS, st.data())
def test_pages_of_an_order_that_moves_neither_repeat_nor_skip_what_stays(
    keys: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Between two pages every space may change its state, and so its place, and others may come and go."""
    stay = set(data.draw(st.lists(st.sampled_from(keys), unique=True))) if keys else set()
    seen: list[tuple[str, str]] = []
    cursor = None
    while True:
        present = stay | set(data.draw(st.lists(st.sampled_from(keys), unique=True)) if keys else [])
        ranked = data.draw(st.permutations(sorted(present)))
        page, cursor = ranked_page(((key, key) for key in ranked), sorted(keys), Page(ASKED, 2, cursor))
        seen += page
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    assert stay <= set(seen)


@given(st.text(max_size=40) | st.binary(max_size=30).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_cursor_that_nobody_gave_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        keyed_page([(("hq", "d01"), 1)], Page(ASKED, 2, text))
    with pytest.raises(ValueError, match="cursor"):
        ranked_page([(("hq", "d01"), 1)], [("hq", "d01")], Page(ASKED, 2, text))


def test_a_cursor_of_another_question_or_layout_is_refused() -> None:
    keys = [("hq", f"d{number}") for number in range(5)]
    keyed = [(key, key) for key in keys]
    other = question("/spaces", {"kind": "room"})
    for cut in (keyed_page, lambda items, page: ranked_page(items, keys, page)):
        _, cursor = cut(keyed, Page(ASKED, 2))
        assert cut(keyed, Page(ASKED, 3, cursor))[0] == keys[2:]
        with pytest.raises(ValueError, match="another question"):
            cut(keyed, Page(other, 2, cursor))
    _, cursor = ranked_page(keyed, keys, Page(ASKED, 2))
    with pytest.raises(ValueError, match="another layout"):
        ranked_page(keyed, [*keys, ("hq", "d9")], Page(ASKED, 2, cursor))


def test_a_cursor_is_refused_by_name_over_http() -> None:
    network = Asked([], build(Live((a_site(),), lambda: NOW), history_in_files({}, Path("/nowhere")), NO_TAPS, ()))
    cursor = network.get("/api/v1/spaces?kind=desk&limit=1")["next"]
    assert network.get(f"/api/v1/spaces?kind=desk&limit=2&cursor={cursor}")["next"] is None
    for address in (f"spaces?kind=room&cursor={cursor}", f"spaces?cursor={cursor}", f"agents?cursor={cursor}"):
        answer = asyncio.run(network._get(f"/api/v1/{address}"))
        assert answer.status_code == 422
        assert [error["where"] for error in answer.json()["errors"]] == ["cursor"]


def test_free_desks_of_the_whole_network_are_one_call() -> None:
    sites = [a_site(name) for name in ("annex", "hq", "pier")]
    live = Live(sites, lambda: NOW)
    for site, space, state, belief in (
        ("hq", "d01", State.FREE, 0.3),
        ("pier", "d02", State.FREE, 0.02),
        ("pier", "d01", State.OCCUPIED, 0.9),
        ("annex", "r1", State.FREE, 0.02),
    ):
        hear(live, site, space, state, belief)
    network = Asked([], serving(ROUTES, live, history_in_files({}, Path("/nowhere"))))
    first = [(item["site"], item["id"]) for item in network.get("/api/v1/spaces?limit=5")["items"]]
    assert first == [("annex", "r1"), ("pier", "d02"), ("hq", "d01"), ("annex", "d01"), ("annex", "d02")]
    assert network.get("/api/v1/spaces")["items"][-1]["state"] == "occupied"
    found = network.get("/api/v1/spaces?kind=desk&state=free")
    assert [(item["site"], item["id"]) for item in found["items"]] == [("pier", "d02"), ("hq", "d01")]


@pytest.mark.parametrize("address", ["sites", "agents", "sensors", "definitions"])
def test_every_list_has_the_same_envelope(address: str) -> None:
    network = Asked([], build(Live((a_site(),), lambda: NOW), history_in_files({}, Path("/nowhere")), NO_TAPS, ()))
    assert set(network.get(f"/api/v1/{address}")) == {"items", "next", "as_of"}
