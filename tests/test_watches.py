"""Somebody asks to be told, and is: signed, once for each turn, again until it got through, and nowhere else."""

import asyncio
import json
import re
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from perch.adapters.keys import KeysFile, Role
from perch.adapters.pinned import is_public
from perch.adapters.readings_log import ReadingsLog
from perch.adapters.webhooks import Destinations, Message, new_secret
from perch.errors import PerchError
from perch.model import State
from perch.settings import ServerSettings
from perch.watching.posting import Answered
from tests.parts import Broker, until
from tests.serving import Served, Speaker, server_settings, serving, serving_connected


class Receiver:
    """A web server that keeps what is posted to it, and answers what `answer` says."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answer: tuple[int, dict[str, str]] = (204, {})
        receiver = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = receiver.answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    thread = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield one
    one.server.shutdown()
    thread.join(5)
    one.server.server_close()


def settings_for(broker: Broker, data: Path, *inside: str) -> ServerSettings:
    settings = server_settings(broker.port, data)
    return replace(settings, api=replace(settings.api, webhook_inside=inside))


def watch(served: Served, **asked: Any) -> Any:
    answer = served.client.post("/api/v1/watches", json=asked)
    assert answer.status_code == 201, answer.text
    return answer.json()


def deliveries(served: Served, made: Any) -> Any:
    return served.json(f"/api/v1/watches/{made['watch']['id']}/deliveries")["items"]


def said(served: Served, asked: dict[str, Any]) -> tuple[int, list[str]]:
    answer = served.client.post("/api/v1/watches", json=asked)
    return answer.status_code, sorted(error["where"] for error in answer.json().get("errors", []))


def test_who_waits_for_a_desk_is_told_when_one_is_free_and_can_check_who_says_so(
    mosquitto: Broker, tmp_path: Path, receiver: Receiver
) -> None:
    with serving_connected(settings_for(mosquitto, tmp_path, receiver.origin)) as served, Speaker(mosquitto) as pi:
        pi.beat()
        pi.say("d01", State.OCCUPIED)
        served.wait_for("d01", State.OCCUPIED)
        made = watch(served, about="space-free", kind="desk", site="hq", url=f"{receiver.origin}/told")
        until(lambda: served.json("/api/v1/watches")["items"][0]["holds"] is False)
        assert receiver.got == []
        pi.say("d01", State.FREE)
        until(lambda: receiver.got)
        headers, body = receiver.got[0]
        told = Webhook(made["secret"]).verify(body, headers)
        assert told["type"] == "space-free.began"
        assert [space["id"] for space in told["data"]["spaces"]] == ["d01"]
        (item,) = until(lambda: [one for one in deliveries(served, made) if one["standing"] == "delivered"])
        assert (item["id"], item["attempts"]) == (headers["webhook-id"], 1)
        assert "secret" not in json.dumps(served.json("/api/v1/watches"))


def test_a_message_that_did_not_get_through_is_tried_again_after_a_restart_with_the_same_id(
    mosquitto: Broker, tmp_path: Path, receiver: Receiver
) -> None:
    settings = settings_for(mosquitto, tmp_path, receiver.origin)
    receiver.answer = (503, {})
    with serving_connected(settings) as served, Speaker(mosquitto) as pi:
        pi.beat()
        pi.say("d01", State.FREE)
        made = watch(served, about="space-free", site="hq", url=receiver.origin)
        until(lambda: (items := deliveries(served, made)) and items[0]["attempts"] == 1)
        assert deliveries(served, made)[0]["said"] == "it answered 503"
    receiver.answer = (204, {})
    with serving_connected(settings) as served:
        until(lambda: deliveries(served, made)[0]["standing"] == "delivered", 20)
        (item,) = deliveries(served, made)
    assert {headers["webhook-id"] for headers, _ in receiver.got} == {item["id"]}
    assert len({body for _, body in receiver.got}) == 1


def test_what_was_sent_can_be_sent_anew_from_a_cursor_on(mosquitto: Broker, tmp_path: Path, receiver: Receiver) -> None:
    with serving_connected(settings_for(mosquitto, tmp_path, receiver.origin)) as served, Speaker(mosquitto) as pi:
        pi.beat()
        pi.say("d01", State.OCCUPIED, count=1)
        served.wait_for("d01", State.OCCUPIED)
        made = watch(served, about="full", site="hq", zone="open", share=0.9, url=receiver.origin)
        address = f"/api/v1/watches/{made['watch']['id']}"
        until(lambda: served.json(address)["last_delivered"])
        (item,) = deliveries(served, made)
        assert served.client.post(f"{address}/replay", json={"after": item["cursor"]}).json() == {"messages": 0}
        assert served.client.post(f"{address}/replay", json={"after": 0}).json() == {"messages": 1}
        until(lambda: len(receiver.got) == 2)
        assert receiver.bodies[0] == receiver.bodies[1]
        assert served.client.delete(address).status_code == 204
        assert served.get(address).status_code == 404


def test_an_address_that_is_gone_disables_its_watch_and_says_so(
    mosquitto: Broker, tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = (410, {})
    with serving_connected(settings_for(mosquitto, tmp_path, receiver.origin)) as served, Speaker(mosquitto) as pi:
        pi.beat()
        pi.say("d01", State.FREE)
        made = watch(served, about="space-free", site="hq", url=receiver.origin)
        shown = until(lambda: (one := served.json(f"/api/v1/watches/{made['watch']['id']}"))["disabled"] and one)
        assert "it answered 410" in shown["disabled"]
    assert any("is disabled" in record.message for record in caplog.records)


def posted(destinations: Destinations, address: str, secret: str) -> Answered:
    return asyncio.run(destinations.post(address, Message("msg_1", "{}"), secret))


INSIDE = [
    "127.0.0.1",
    "10.1.2.3",
    "169.254.169.254",
    "224.0.0.1",
    "192.88.99.1",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "::1",
    "::127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "fec0::1",
    "fe80::1",
    "fd00::1",
]


@pytest.mark.parametrize("number", INSIDE)
def test_an_address_in_the_house_in_whatever_words_is_not_out_in_the_world(number: str) -> None:
    assert not is_public(number)


@pytest.mark.parametrize("number", ["1.1.1.1", "2606:4700::1111"])
def test_an_address_out_in_the_world_is_one(number: str) -> None:
    assert is_public(number)


@contextmanager
def dripping() -> Iterator[str]:
    """A receiver that goes on with its answer, a byte at a time, for as long as anybody listens."""
    ended = threading.Event()

    def drip(talking: socket.socket) -> None:
        with talking, suppress(OSError):
            talking.recv(65_536)
            talking.sendall(b"HTTP/1.1 204 No Content\r\nX-More: ")
            while not ended.wait(0.2):
                talking.sendall(b"x")

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)


def test_a_receiver_that_never_ends_its_answer_holds_up_neither_others_nor_the_api(
    mosquitto: Broker, tmp_path: Path, receiver: Receiver
) -> None:
    with (
        dripping() as slow,
        serving_connected(settings_for(mosquitto, tmp_path, receiver.origin, slow)) as served,
        Speaker(mosquitto) as pi,
    ):
        pi.beat()
        pi.say("d01", State.FREE)
        served.wait_for("d01", State.FREE)
        held_up = [watch(served, about="space-free", site="hq", url=f"{slow}/{number}") for number in range(20)]
        watch(served, about="space-free", site="hq", url=receiver.origin)
        until(lambda: receiver.got, 8)
        assert served.get("/api/v1/summary").status_code == 200
        until(lambda: (items := deliveries(served, held_up[0])) and items[0]["attempts"] == 1, 20)
        assert deliveries(served, held_up[0])[0]["said"] == "no answer within 10 s"


def test_a_members_watch_of_a_few_spaces_tells_once_and_keeps_no_record_of_who_comes_and_goes(
    mosquitto: Broker, tmp_path: Path, receiver: Receiver
) -> None:
    with by_role(mosquitto, tmp_path, receiver.origin) as (served, keys), Speaker(mosquitto) as pi:
        pi.beat()
        for role in (Role.MEMBER, Role.MANAGER):
            asked = {"about": "full", "site": "hq", "zone": "open", "share": 0.5, "url": f"{receiver.origin}/{role}"}
            assert served.client.post("/api/v1/watches", json=asked, headers=keys[role]).status_code == 201
        for state, told in ((State.OCCUPIED, 2), (State.FREE, 3), (State.OCCUPIED, 4)):
            for space in ("d01", "d02", "d03"):
                pi.say(space, state)
            until(partial(has_got, receiver, told))
        kept, over = {}, {}
        for role in (Role.MEMBER, Role.MANAGER):
            (made,) = served.client.get("/api/v1/watches", headers=keys[role]).json()["items"]
            address = f"/api/v1/watches/{made['id']}/deliveries"
            over[role] = made["over"]
            kept[role] = len(served.client.get(address, headers=keys[role]).json()["items"])
    assert kept == {Role.MEMBER: 1, Role.MANAGER: 3}
    assert "told once" in over[Role.MEMBER]
    assert over[Role.MANAGER] is None


def has_got(receiver: Receiver, number: int) -> bool:
    return len(receiver.got) == number


def test_of_an_address_only_the_receiver_is_shown_and_no_cursor_is_too_large(
    mosquitto: Broker, tmp_path: Path, receiver: Receiver
) -> None:
    with serving_connected(settings_for(mosquitto, tmp_path, receiver.origin)) as served:
        made = watch(served, about="space-free", site="hq", url=f"{receiver.origin}/services/SECRETTOKEN")
        assert made["watch"]["url"] == f"{receiver.origin}/…"
        assert "SECRETTOKEN" not in served.get("/api/v1/watches").text
        address = f"/api/v1/watches/{made['watch']['id']}/replay"
        assert served.client.post(address, json={"after": 2**63}).status_code == 422


def test_asking_to_be_told_of_single_desks_is_noted(mosquitto: Broker, tmp_path: Path, receiver: Receiver) -> None:
    with by_role(mosquitto, tmp_path, receiver.origin) as (served, keys):
        asked = {"about": "camping", "site": "hq", "url": receiver.origin}
        assert served.client.post("/api/v1/watches", json=asked, headers=keys[Role.FACILITIES]).status_code == 201
    assert [reading.what for reading in ReadingsLog(tmp_path).newest(9)] == ["POST /api/v1/watches"]


def test_no_redirect_is_followed(receiver: Receiver) -> None:
    receiver.answer = (307, {"Location": f"{receiver.origin}/elsewhere"})
    secret = new_secret()
    answered = posted(Destinations((), [receiver.origin]), receiver.origin, secret)
    assert (answered.status, answered.is_well, len(receiver.got)) == (307, False, 1)


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.example.evil/x",
        "https://hooks.example:444/x",
        "http://hooks.example/x",
        "https://user:word@hooks.example/x",
        "https://hooks.example\\@evil.example/x",
        "https://hooks.example/x#part",
        "https:///x",
        "ftp://hooks.example/x",
        "https://hooks.example:99999/x",
        "https://[::1/x",
        "https://höoks.example/x",
        "https://hooks.example/a b",
        "https://hooks.example/" + "x" * 2_000,
    ],
)
def test_only_origins_that_the_operator_named_are_posted_to(address: str) -> None:
    with pytest.raises(PerchError):
        Destinations(["https://hooks.example"], []).check(address)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_a_name_out_in_the_world_that_means_a_machine_in_the_house_is_not_posted_to(
    receiver: Receiver, name: str
) -> None:
    origin = receiver.origin.replace("127.0.0.1", name)
    answered = posted(Destinations([origin], []), f"{origin}/x", new_secret())
    assert answered.what == "its name means a machine in the house, which only webhook_inside allows"
    assert receiver.got == []


@contextmanager
def by_role(broker: Broker, data: Path, *inside: str) -> Iterator[tuple[Served, dict[Role, dict[str, str]]]]:
    keys = KeysFile(data)
    made = {role: keys.create(role.value, role, {"hq"}, 0)[0] for role in Role}
    operator = {"Authorization": f"Bearer {keys.create('operator', Role.ADMIN, None, 0)[0]}"}
    with serving(settings_for(broker, data, *inside)) as served:
        until(lambda: served.client.get("/readyz", headers=operator).json()["parts"][0]["ok"])
        yield served, {role: {"Authorization": f"Bearer {text}"} for role, text in made.items()}


WISHES: dict[str, dict[str, Any]] = {
    "space-free": {},
    "full": {"share": 0.9},
    "over-capacity": {"people": 3},
    "agent-offline": {},
    "camping": {},
}
MAY = {
    Role.MEMBER: {"space-free", "full"},
    Role.MANAGER: {"space-free", "full", "over-capacity", "agent-offline"},
    Role.FACILITIES: set(WISHES),
    Role.ADMIN: set[str](),
}


def test_nobody_is_told_what_they_may_not_read_nor_sees_anothers_watches(
    mosquitto: Broker, tmp_path: Path, receiver: Receiver
) -> None:
    with by_role(mosquitto, tmp_path, receiver.origin) as (served, keys):
        for role, headers in keys.items():
            allowed = set()
            for about, words in WISHES.items():
                asked = {"about": about, "site": "hq", "url": receiver.origin, **words}
                answer = served.client.post("/api/v1/watches", json=asked, headers=headers)
                assert answer.status_code in (201, 403)
                allowed |= {about} if answer.status_code == 201 else set()
            assert allowed == MAY[role]
        member, manager = keys[Role.MEMBER], keys[Role.MANAGER]
        (first, _) = served.client.get("/api/v1/watches", headers=member).json()["items"]
        assert len(served.client.get("/api/v1/watches", headers=manager).json()["items"]) == 4
        assert served.client.get(f"/api/v1/watches/{first['id']}", headers=manager).status_code == 404
        assert served.client.delete(f"/api/v1/watches/{first['id']}", headers=manager).status_code == 404
        elsewhere = {"about": "space-free", "site": "annex", "url": receiver.origin}
        assert served.client.post("/api/v1/watches", json=elsewhere, headers=member).status_code == 422


def test_a_revoked_key_is_told_of_nothing_more(mosquitto: Broker, tmp_path: Path, receiver: Receiver) -> None:
    with by_role(mosquitto, tmp_path, receiver.origin) as (served, keys), Speaker(mosquitto) as pi:
        for role in (Role.MEMBER, Role.MANAGER):
            asked = {"about": "space-free", "site": "hq", "url": f"{receiver.origin}/{role}"}
            assert served.client.post("/api/v1/watches", json=asked, headers=keys[role]).status_code == 201
        member = keys[Role.MEMBER]["Authorization"].split("_")[1]
        KeysFile(tmp_path).revoke(member, 1)
        until(lambda: served.client.get("/api/v1/watches", headers=keys[Role.MEMBER]).status_code == 401)
        pi.beat()
        pi.say("d01", State.FREE)
        until(lambda: receiver.got)
        until(
            lambda: served.client.get("/api/v1/watches", headers=keys[Role.MANAGER]).json()["items"][0][
                "last_delivered"
            ]
        )
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"about": "nonsense"}, ["about"]),
        ({"about": "full", "site": "hq"}, ["share"]),
        ({"about": "full"}, ["share", "site"]),
        ({"about": "space-free", "share": 0.5}, ["share"]),
        ({"about": "full", "site": "hq", "share": 0}, ["share"]),
        ({"about": "full", "site": "hq", "share": 1.5}, ["share"]),
        ({"about": "over-capacity", "site": "hq", "people": -3}, ["people"]),
        ({"about": "over-capacity", "site": "hq", "people": 10**7}, ["people"]),
        ({"about": "space-free", "site": "nowhere"}, ["site"]),
        ({"about": "agent-offline", "site": "hq", "agent": "nobody"}, ["agent"]),
        ({"about": "space-free", "url": "https://elsewhere.example"}, ["url"]),
        ({"about": "space-free", "more": 1}, ["body"]),
        ({"about": "space-free", "name": "x" * 81}, ["name"]),
        ({}, ["body"]),
    ],
)
def test_what_cannot_be_watched_is_refused_by_name(refusing: Served, asked: dict[str, Any], wrong: list[str]) -> None:
    assert said(refusing, {"url": "http://127.0.0.1:9", **asked}) == (422, wrong)


PAGE = (Path(__file__).parent.parent / "docs" / "watches.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def test_every_command_of_its_page_does_what_it_says(mosquitto: Broker, tmp_path: Path, receiver: Receiver) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    with serving_connected(settings_for(mosquitto, tmp_path, receiver.origin)) as served, Speaker(mosquitto) as pi:
        pi.beat()
        pi.say("d01", State.FREE)
        served.wait_for("d01", State.FREE)
        made = ""
        for command in COMMANDS:
            text = command.replace("http://localhost:8080", served.url).replace(
                "http://127.0.0.1:9000", receiver.origin
            )
            curl, *words = shlex.split(text.replace("WATCH", made))
            done = subprocess.run([curl, "-sS", "--fail-with-body", *words], capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, (command, done.stdout)
            if command.startswith("curl http://localhost:8080/api/v1/watches") and not made:
                made = json.loads(done.stdout)["items"][0]["id"]
        assert len(COMMANDS) == 6
        assert len(served.json("/api/v1/watches")["items"]) == 1


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from tests import parts

    program = parts.find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed: run `make test`, which gets it, or scripts/get-parts")
    broker = parts.Broker(program, tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    try:
        with serving_connected(settings_for(broker, tmp_path_factory.mktemp("data"), "http://127.0.0.1:9")) as served:
            yield served
    finally:
        broker.stop()
