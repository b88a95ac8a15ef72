"""Who may read what: every route, every role, at the reader's own site and at another's; and what nobody may infer."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from fastapi.routing import iter_route_contexts

from api.application import with_routes
from api.entrance.access import MAY_READ, Matter, Reader
from api.live import events as events_resource
from api.live.feed import Subscription
from perch.adapters.keys import Role
from perch.model import State
from tests.keyed import HIDDEN, INSIDE, SPACES, Answer, Keyed, asked
from tests.parts import until

MEMBER, MANAGER, FACILITIES, ADMIN = Role.MEMBER, Role.MANAGER, Role.FACILITIES, Role.ADMIN
READERS = (MEMBER, MANAGER, FACILITIES)
MANAGERS = (MANAGER, FACILITIES)
EVERYBODY = tuple(Role)
DAYS = "from=2026-03-02&to=2026-03-09"
WEEKS = "from=2026-03-02&to=2026-03-30"
NO_TAP, NO_WATCH = "0" * 32, "0" * 12


class Entry(NamedTuple):
    """Who may ask for a route: `asked` is an address with a site to fill in, `elsewhere` what another's site gives."""

    roles: tuple[Role, ...]
    asked: str
    elsewhere: int | None = None
    status: int = 200
    body: dict[str, Any] | None = None
    nobody: int = 401


SCENARIO = {
    "site": "{site}",
    "from": "2026-03-02",
    "to": "2026-04-27",
    "changes": [{"add": {"kind": "desk", "count": 1}}],
}
WATCHED = {"about": "full", "share": 0.9, "site": "{site}", "url": f"{INSIDE}/hook"}
COMPARED = "before_from=2026-03-02&before_to=2026-03-30&after_from=2026-03-30&after_to=2026-04-27"
API = "/api/v1"

MATRIX: dict[tuple[str, str], Entry] = {
    ("GET", f"{API}/"): Entry(EVERYBODY, f"{API}/"),
    ("GET", f"{API}/openapi.json"): Entry(EVERYBODY, f"{API}/openapi.json"),
    ("GET", f"{API}/sites"): Entry(EVERYBODY, f"{API}/sites"),
    ("GET", f"{API}/definitions"): Entry(EVERYBODY, f"{API}/definitions"),
    ("GET", f"{API}/summary"): Entry(READERS, f"{API}/summary?site={{site}}", 422),
    ("GET", f"{API}/spaces"): Entry(READERS, f"{API}/spaces?site={{site}}", 422),
    ("GET", f"{API}/spaces/{{site}}/{{space}}"): Entry(READERS, f"{API}/spaces/{{site}}/d01", 404),
    ("GET", f"{API}/events"): Entry(READERS, f"{API}/events?site={{site}}", 422),
    ("GET", f"{API}/agents"): Entry((*MANAGERS, ADMIN), f"{API}/agents?site={{site}}", 422),
    ("GET", f"{API}/sensors"): Entry((*MANAGERS, ADMIN), f"{API}/sensors?site={{site}}", 422),
    ("GET", f"{API}/history/{{metric}}"): Entry(READERS, f"{API}/history/time_used_ratio?site={{site}}&{DAYS}", 422),
    ("GET", f"{API}/history/transitions"): Entry(
        (FACILITIES,), f"{API}/history/transitions?site={{site}}&space=d01&{DAYS}", 422
    ),
    ("GET", f"{API}/forecast"): Entry(READERS, f"{API}/forecast?site={{site}}&kind=desk&at={{soon}}", 422),
    ("GET", f"{API}/planning/sizing"): Entry(READERS, f"{API}/planning/sizing?site={{site}}&{WEEKS}", 422),
    ("GET", f"{API}/planning/comparison"): Entry(
        READERS, f"{API}/planning/comparison?site={{site}}&metric=time_used_ratio&{COMPARED}", 422
    ),
    ("POST", f"{API}/planning/scenarios"): Entry(READERS, f"{API}/planning/scenarios", 422, body=SCENARIO),
    ("POST", f"{API}/audit"): Entry(
        MANAGERS, f"{API}/audit", 422, 201, {"id": "{id}", "site": "{site}", "space": "d01", "count": 1}
    ),
    ("DELETE", f"{API}/audit/{{id}}"): Entry(MANAGERS, f"{API}/audit/{NO_TAP}", status=404),
    ("GET", f"{API}/audit"): Entry((FACILITIES,), f"{API}/audit?site={{site}}", 422),
    ("POST", f"{API}/watches"): Entry(READERS, f"{API}/watches", 422, 201, WATCHED),
    ("GET", f"{API}/watches"): Entry(READERS, f"{API}/watches"),
    ("GET", f"{API}/watches/{{id}}"): Entry(READERS, f"{API}/watches/{NO_WATCH}", status=404),
    ("DELETE", f"{API}/watches/{{id}}"): Entry(READERS, f"{API}/watches/{NO_WATCH}", status=404),
    ("GET", f"{API}/watches/{{id}}/deliveries"): Entry(READERS, f"{API}/watches/{NO_WATCH}/deliveries", status=404),
    ("POST", f"{API}/watches/{{id}}/replay"): Entry(READERS, f"{API}/watches/{NO_WATCH}/replay", status=404, body={}),
    ("GET", "/spaceapi"): Entry(EVERYBODY, "/spaceapi?site={site}", status=404, nobody=404),
    ("GET", f"{API}/privacy"): Entry(EVERYBODY, f"{API}/privacy?site={{site}}", nobody=200),
    ("GET", "/privacy"): Entry(EVERYBODY, "/privacy?site={site}", nobody=200),
    ("GET", "/privacy/notice"): Entry(EVERYBODY, "/privacy/notice?site={site}", nobody=200),
    ("GET", "/healthz"): Entry(EVERYBODY, "/healthz", nobody=200),
    ("GET", "/readyz"): Entry(EVERYBODY, "/readyz", nobody=200),
    ("GET", "/metrics"): Entry((), "/metrics"),  # for keys of all sites: see below
    ("GET", "/login"): Entry(EVERYBODY, "/login", nobody=200),
    ("POST", "/login"): Entry(EVERYBODY, "/login", status=415, nobody=415),
    ("POST", "/logout"): Entry(EVERYBODY, "/logout", status=303, nobody=303),
    ("GET", "/assets/{digest}/{name}"): Entry(EVERYBODY, "/assets/none/app.js", status=404, nobody=404),
    ("GET", "/"): Entry(EVERYBODY, "/?site={site}", 404),
    ("GET", "/find"): Entry(READERS, "/find?site={site}"),
    ("GET", "/spaces/{site}/{space}"): Entry(READERS, "/spaces/{site}/d01", 404),
    ("GET", "/manage"): Entry((*MANAGERS, ADMIN), "/manage?site={site}", 404),
    ("GET", "/audit"): Entry(MANAGERS, "/audit?site={site}", 404),
    ("GET", "/week"): Entry(MANAGERS, f"/week?site={{site}}&{DAYS}", 422),
    ("GET", "/planning"): Entry(MANAGERS, f"/planning?site={{site}}&{DAYS}", 422),
    ("GET", "/report"): Entry(MANAGERS, f"/report?site={{site}}&{DAYS}", 422),
    ("GET", "/comparison"): Entry(MANAGERS, f"/comparison?site={{site}}&{COMPARED}", 422),
}
"""Every route of the application. A new one needs a line here, or the tests fail: say who may ask for it."""


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    return Keyed(tmp_path_factory.mktemp("data"), routes=with_routes())


def ask(keyed: Keyed, route: tuple[str, str], role: Role | None, site: str) -> Answer:
    """Ask for a route at a site."""
    method, entry = route[0], MATRIX[route]
    soon = "2026-09-25T10:00"
    address = entry.asked.format(site=site, soon=soon)
    body, headers = b"", keyed.by(role)
    if entry.body is not None:
        marker = f"{hash((role, site)) & (2**128 - 1):032x}"
        body = json.dumps(entry.body).replace("{site}", site).replace("{id}", marker).encode()
        headers["content-type"] = "application/json"
    return keyed.ask(method, address, body, headers)


def test_every_route_has_a_line_in_the_matrix() -> None:
    routes = {
        (method, context.path)
        for context in iter_route_contexts(with_routes().routes)
        for method in (context.methods or set()) - {"HEAD"}
    }
    assert routes == set(MATRIX)


@pytest.mark.parametrize("route", MATRIX, ids=" ".join)
def test_a_route_is_for_those_whose_role_includes_it(keyed: Keyed, route: tuple[str, str]) -> None:
    entry = MATRIX[route]
    found = {role: ask(keyed, route, role, "hq") for role in Role}
    expected = {role: entry.status if role in entry.roles else 403 for role in Role}
    assert {role: answer.status for role, answer in found.items()} == expected
    for role, answer in found.items():
        if role not in entry.roles:
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("route", MATRIX, ids=" ".join)
def test_without_a_key_there_is_nothing_but_the_way_in(keyed: Keyed, route: tuple[str, str]) -> None:
    answer = ask(keyed, route, None, "hq")
    assert answer.status == MATRIX[route].nobody
    if answer.status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("route", [route for route, entry in MATRIX.items() if entry.elsewhere], ids=" ".join)
def test_another_site_is_as_if_it_were_not(keyed: Keyed, route: tuple[str, str]) -> None:
    """What is said of a site that exists elsewhere is said, word for word, of one that exists nowhere."""
    entry = MATRIX[route]
    for role in entry.roles:
        if (route, role) == (("GET", "/"), ADMIN):
            continue  # is shown who they are, whatever is asked
        there, nowhere = ask(keyed, route, role, "lab"), ask(keyed, route, role, "zzz")
        assert there.status == entry.elsewhere
        assert there.status == nowhere.status
        assert there.body.replace(b"lab", b"zzz") == nowhere.body
        assert b"Laboratory" not in there.body


@pytest.mark.parametrize("address", ["/sites", "/spaces", "/summary", "/agents", "/sensors", "/audit"])
def test_lists_of_everything_hold_the_own_sites_alone(keyed: Keyed, address: str) -> None:
    keyed.beat("lab", fired={"d01": keyed.hands.wall_ms})
    answer = keyed.get(f"{API}{address}", FACILITIES)
    assert answer.status == 200
    assert b"lab" not in answer.body


def test_numbers_of_all_sites_are_for_keys_of_all_sites(keyed: Keyed, tmp_path: Path) -> None:
    wide = Keyed(tmp_path, limited=False)
    assert {role: wide.get("/metrics", role).status for role in Role} == {
        MEMBER: 403,
        MANAGER: 200,
        FACILITIES: 200,
        ADMIN: 200,
    }
    assert wide.get("/readyz", ADMIN).json["parts"]
    for narrow in (keyed.get("/readyz", FACILITIES), keyed.get("/readyz"), wide.get("/readyz", MEMBER)):
        assert narrow.json == {"ready": True, "parts": []}


def test_the_table_is_that_of_the_contract() -> None:
    roles = {matter: {role for role in roles if role} for matter, roles in MAY_READ.items()}
    assert roles[Matter.LIVE] == {MEMBER, MANAGER, FACILITIES}
    assert roles[Matter.LIVE_OF_ALL_PURPOSES] == {FACILITIES}
    assert roles[Matter.HISTORY] == {MEMBER, MANAGER, FACILITIES}
    assert roles[Matter.HISTORY_OF_GROUPS] == {MANAGER, FACILITIES}
    assert roles[Matter.HISTORY_OF_SPACES] == {FACILITIES}
    assert roles[Matter.AUDIT] == {FACILITIES}
    assert roles[Matter.FLEET] == {MANAGER, FACILITIES, ADMIN}
    assert [matter for matter, roles in MAY_READ.items() if None in roles] == [Matter.SUMMARY]


# What nobody may infer.

SEEN = (
    *(f"{API}/{name}" for name in ("sites", "summary", "summary?kind=room", "spaces", "spaces?state=free", "events")),
    *(f"{API}/spaces/hq/{space}" for space in ("d01", *HIDDEN)),
    f"{API}/forecast?site=hq&kind=desk&at=2026-09-25T10:00",
    *("/?site=hq", "/find", "/spaces/hq/d01", "/spaces/hq/d90"),
)
STATES = (State.FREE, State.OCCUPIED, State.UNKNOWN)
STEPS = 120


def test_nothing_that_members_read_hangs_on_assigned_or_private_spaces(tmp_path: Path) -> None:
    """Of two networks only one hears of its hidden spaces: answers, tags and moments of both are the same bytes."""
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = (Keyed(tmp_path / name, True, routes=with_routes()) for name in ("one", "other"))
    feeds = [listen(world) for world in (one, other)]
    random = Random(7)  # noqa: S311 - a walk that is the same each time
    address = SEEN[0]
    for _ in range(STEPS):
        seconds, space, state = random.choice((0, 0.3, 1)), random.choice(SPACES).id, random.choice(STATES)
        for world in (one, other):
            world.hands.pass_s(seconds)
            if world is one or space not in HIDDEN:
                world.hear(space, state)
        address, role = random.choice((address, random.choice(SEEN))), random.choice((MEMBER, MEMBER, None))
        first, second = one.get(address, role), other.get(address, role)
        assert (first.status, first.headers, first.body) == (second.status, second.headers, second.body), address
    told = [asyncio.run(read(feed)) for feed in feeds]
    assert told[0] == told[1]
    assert told[0].count(b"event: space") > STEPS / 5


def listen(world: Keyed) -> Subscription:
    """Subscribe as a member does."""
    reader = Reader(MEMBER, frozenset({"hq"}))
    audience, at_us = events_resource.audience_of(reader), world.hands.wall_ms * 1000
    return world.live.feeds.of(audience, at_us).subscribe(audience.sees, lambda: b"{}", None, at_us)


async def read(feed: Subscription) -> bytes:
    """Give what is queued."""
    return await anext(feed.chunks())


async def resumed(world: Keyed, role: Role, number: int) -> bytes:
    """Give how a stream of site hq goes on after an event."""
    heads = {**world.by(role), "last-event-id": str(number)}
    stream = asyncio.create_task(asked(world.app, "GET", f"{API}/events?site=hq", b"", heads))
    await asyncio.to_thread(until, lambda: world.live.feeds.readers or stream.done())
    world.live.feeds.end()
    return (await stream).body


@pytest.mark.parametrize("role", [MEMBER, MANAGER])
@pytest.mark.parametrize(("space", "site"), [("p1", "hq"), ("d01", "lab")])
def test_no_last_event_id_tells_whether_something_unseen_happened(
    tmp_path: Path, role: Role, space: str, site: str
) -> None:
    told = []
    for name in ("quiet", "busy"):
        (tmp_path / name).mkdir()
        world = Keyed(tmp_path / name)
        world.hear("d02", State.FREE)
        number = number_now(world, role)
        for _ in range(2):
            live_on(world, 5)
            if name == "busy":
                world.hear(space, State.OCCUPIED, site)
            world.hear("d02", State.OCCUPIED)
        tried = (number, number + 1, number + 5_000_000, number + 5_000_001, number + 10_000_000, number + 10_000_001)
        told.append([asyncio.run(resumed(world, role, one)) for one in tried])
    assert told[0] == told[1]
    assert b"event: space" in told[0][0]
    assert b"event: reset" in told[0][-1]


def number_now(world: Keyed, role: Role) -> int:
    """Open a stream of site hq; gives the number of its snapshot."""
    return int(world.get(f"{API}/events?site=hq", role).body.split(b"id: ")[1].split(b"\n")[0])


def live_on(world: Keyed, seconds: int) -> None:
    """Let time pass as it does while the API runs."""
    for _ in range(seconds):
        world.hands.pass_s(1)
        world.live.settle()
    world.ring.look()


def test_members_who_resume_are_told_no_moment_of_more_than_two_minutes_ago(keyed: Keyed) -> None:
    numbers = {role: number_now(keyed, role) for role in (MEMBER, MANAGER)}
    live_on(keyed, 30)
    keyed.hear("d02", State.OCCUPIED)
    live_on(keyed, 90)
    assert b"event: space" in asyncio.run(resumed(keyed, MEMBER, numbers[MEMBER]))
    live_on(keyed, 1)
    assert b"event: space" in asyncio.run(resumed(keyed, MANAGER, numbers[MANAGER]))
    assert b"event: reset" in asyncio.run(resumed(keyed, MEMBER, numbers[MEMBER]))


def test_a_manager_sees_no_hidden_space_and_no_sensor_of_one(keyed: Keyed) -> None:
    fired_ms = keyed.hands.wall_ms - 5_000
    for space in ("d01", *HIDDEN):
        keyed.hear(space, State.OCCUPIED)
    keyed.beat(fired={"d01": fired_ms, "d90": fired_ms})
    last = {
        role: {item["space"]: item["last"] for item in keyed.get(f"{API}/sensors?site=hq", role).json["items"]}
        for role in (MANAGER, FACILITIES, ADMIN)
    }
    assert last[FACILITIES]["d01"] == last[FACILITIES]["d90"] is not None
    assert last[MANAGER] == {"d01": last[FACILITIES]["d01"], None: None}
    assert last[ADMIN] == {"d01": None, None: None}
    served = {
        role: set(keyed.get(f"{API}/agents?site=hq", role).json["items"][0]["spaces"])
        for role in (MANAGER, FACILITIES, ADMIN)
    }
    assert served[FACILITIES] == {space.id for space in SPACES}
    assert served[MANAGER] == served[ADMIN] == served[FACILITIES] - set(HIDDEN)
    assert keyed.get(f"{API}/summary", FACILITIES).json["total"] == len(SPACES)
    assert keyed.get(f"{API}/summary", MANAGER).json["total"] == len(SPACES) - len(HIDDEN)
    for space in HIDDEN:
        assert keyed.get(f"{API}/spaces/hq/{space}", FACILITIES).status == 200
        assert keyed.get(f"{API}/spaces/hq/{space}", MANAGER).status == 404


@pytest.mark.parametrize(("role", "named"), [(MANAGER, False), (FACILITIES, True)])
def test_events_name_hidden_spaces_to_facilities_alone(tmp_path: Path, role: Role, named: bool) -> None:
    world = Keyed(tmp_path)
    number = number_now(world, role)
    live_on(world, 1)
    world.beat(fired={"d01": world.hands.wall_ms})
    for space in ("d01", *HIDDEN):
        world.hear(space, State.OCCUPIED)
    told = asyncio.run(resumed(world, role, number))
    assert b"event: agent" in told
    assert b'"d01"' in told
    assert [f'"{space}"'.encode() in told for space in HIDDEN] == [named] * len(HIDDEN)


def test_members_see_a_quarter_of_an_hour_and_no_age(keyed: Keyed) -> None:
    keyed.hear("d02", State.OCCUPIED)
    exact, coarse = (keyed.get(f"{API}/spaces/hq/d02", role).json for role in (MANAGER, MEMBER))
    began = datetime.fromisoformat(coarse["since"])
    assert (began.minute % 15, began.second, began.microsecond) == (0, 0, 0)
    assert timedelta(0) <= datetime.fromisoformat(exact["since"]) - began < timedelta(minutes=15)
    assert (exact["age_seconds"], coarse["age_seconds"]) == (0, None)
    assert {**exact, "since": None, "age_seconds": None} == {**coarse, "since": None}
    events = keyed.get(f"{API}/events", MEMBER).body
    assert coarse["since"].encode() in events
    assert exact["since"].encode() not in events


def test_the_public_summary_counts_no_few_spaces(tmp_path: Path) -> None:
    public = Keyed(tmp_path, public_summary=True)
    counted = public.get(f"{API}/summary").json
    assert counted["total"] == 12
    assert set(counted["by_kind"]) == {"desk"}
    assert public.get(f"{API}/summary?kind=room").json["total"] == 0
    page = public.get("/", accept="text/html")
    assert page.status == 200
    assert b"Harbour House" in page.body
    assert b"d01" not in page.body
    for route, entry in MATRIX.items():
        if route not in {("GET", "/"), ("GET", f"{API}/summary")}:
            assert ask(public, route, None, "hq").status == entry.nobody
