"""A connection to the broker comes, goes and comes back, loses nothing silently, and says what is wrong."""

import base64
import hashlib
import os
import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from perch.adapters.mqtt.connection import Connection, Received
from perch.contract import Publication
from perch.errors import StorageError, UnavailableError
from perch.settings import Broker
from tests import parts
from tests.parts import free_port, until

PROTOCOLS = pytest.mark.parametrize("protocol", [5, 4], ids=["MQTT 5", "MQTT 3.1.1"])
StartMosquitto = Callable[..., parts.Broker]


class Listener:
    """A connection that keeps what it hears."""

    def __init__(self, broker: Broker, *topics: str, name: str = "listener", will: Publication | None = None) -> None:
        self.heard: queue.SimpleQueue[Received] = queue.SimpleQueue()
        self.turns: list[bool] = []
        self.connection = Connection(
            broker,
            name,
            will=will,
            subscriptions=topics,
            on_message=self.heard.put,
            on_connection=self.turns.append,
        )

    def __enter__(self) -> "Listener":
        self.connection.start()
        self.connection.ready(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.stop(2)

    def next(self) -> Received:
        return self.heard.get(timeout=10)


def address(broker: parts.Broker, protocol: int = 5) -> Broker:
    return Broker(port=broker.port, protocol=protocol)


@PROTOCOLS
def test_what_is_published_arrives_and_what_the_broker_kept_is_marked(mosquitto: parts.Broker, protocol: int) -> None:
    broker = address(mosquitto, protocol)
    with Listener(broker, "a/+") as one:
        assert one.connection.publish(Publication("a/b", b"\x00\xff", retain=True))
        assert one.next() == Received("a/b", b"\x00\xff", retained=False)
        with Listener(broker, "a/#", name="later") as later:
            assert later.next() == Received("a/b", b"\x00\xff", retained=True)


@PROTOCOLS
def test_it_comes_back_and_subscribes_anew_after_the_broker_was_killed(mosquitto: parts.Broker, protocol: int) -> None:
    with Listener(address(mosquitto, protocol), "a/b") as one:
        mosquitto.kill()
        until(lambda: not one.connection.connected)
        assert one.connection.problem is not None
        mosquitto.start()
        until(lambda: one.connection.connected, timeout_s=30)
        assert one.connection.problem is None
        assert one.connection.publish(Publication("a/b", b"again"))
        assert one.next().payload == b"again"
        assert one.turns == [True, False, True]


def test_nothing_is_kept_while_the_broker_is_away(mosquitto: parts.Broker) -> None:
    """Sending again is the business of the outbox: a message that was refused must not turn up later."""
    with Listener(address(mosquitto), "a/b") as one:
        mosquitto.stop()
        until(lambda: not one.connection.connected)
        assert not one.connection.publish(Publication("a/b", b"lost"))
        mosquitto.start()
        until(lambda: one.connection.connected, timeout_s=30)
        assert one.connection.publish(Publication("a/b", b"first"))
        assert one.next().payload == b"first"


def test_it_starts_before_the_broker_does() -> None:
    connection = Connection(Broker(port=free_port()), "early", subscriptions=[], on_message=lambda _: None)
    with connection:
        until(lambda: connection.problem)
        assert "not connected" in repr(connection)
    assert "stopped" in repr(connection)


def test_an_unreachable_broker_is_named_with_what_to_do() -> None:
    broker = Broker(port=free_port())
    with Connection(broker, "lost", subscriptions=[], on_message=lambda _: None) as connection:
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{broker.port} cannot be reached") as trouble:
            connection.ready(10)
        assert "[broker]" in trouble.value.remedy


def test_an_unknown_name_is_said_to_be_unknown() -> None:
    broker = Broker(host="no-such-host.invalid")
    connection = Connection(broker, "lost", subscriptions=[], on_message=lambda _: None)
    with connection, pytest.raises(UnavailableError, match=r"no-such-host\.invalid"):
        connection.ready(20)


def test_a_server_that_never_answers_is_not_waited_for_without_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        broker = Broker(port=mute.getsockname()[1])
        with Connection(broker, "patient", subscriptions=[], on_message=lambda _: None) as connection:
            with pytest.raises(UnavailableError, match="does not answer"):
                connection.ready(0.3)
            assert not connection.publish(Publication("a", b""))


def hashed(user: str, password: str) -> str:
    """A line of mosquitto's password file."""
    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"{user}:$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"


@PROTOCOLS
def test_a_wrong_password_is_refused_and_a_corrected_one_is_read_without_a_restart(
    start_mosquitto: StartMosquitto, tmp_path: Path, protocol: int
) -> None:
    users, secret = tmp_path / "users", tmp_path / "secret"
    users.write_text(hashed("hq_pi-1", "right"))
    secret.write_text("wrong\n")
    mosquitto = start_mosquitto(f"password_file {users}\nallow_anonymous false")
    broker = Broker(port=mosquitto.port, username="hq_pi-1", password_file=secret, protocol=protocol)
    with Connection(broker, "agent", subscriptions=["a"], on_message=lambda _: None) as connection:
        with pytest.raises(UnavailableError, match="refuses: Not authorized") as trouble:
            connection.ready(10)
        assert "password_file" in trouble.value.remedy
        secret.write_text("right\n")
        until(lambda: connection.connected, timeout_s=30)


def test_a_password_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    broker = Broker(username="me", password_file=tmp_path / "nothing")
    with pytest.raises(StorageError, match="nothing cannot be read"):
        Connection(broker, "agent", subscriptions=[], on_message=lambda _: None).start()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A new certificate for 127.0.0.1 and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    key.chmod(0o644)  # mosquitto may run as another user
    return certificate, key


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """The broker's certificate, which is its own authority, and its key."""
    return self_signed(tmp_path)


def test_tls_trusts_the_authority_it_was_given_and_no_other(
    start_mosquitto: StartMosquitto, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    pem, key = certificate
    mosquitto = start_mosquitto(f"certfile {pem}\nkeyfile {key}")
    with Listener(Broker(port=mosquitto.port, ca=pem), "a") as one:
        assert one.connection.publish(Publication("a", b"secret"))
        assert one.next().payload == b"secret"
    (tmp_path / "other").mkdir()
    stranger, _ = self_signed(tmp_path / "other")
    connection = Connection(Broker(port=mosquitto.port, ca=stranger), "x", subscriptions=[], on_message=lambda _: None)
    with connection, pytest.raises(UnavailableError, match="did not sign") as trouble:
        connection.ready(10)
    assert "ca" in trouble.value.remedy


@PROTOCOLS
def test_a_port_that_speaks_tls_is_told_to_who_does_not(
    start_mosquitto: StartMosquitto, certificate: tuple[Path, Path], protocol: int
) -> None:
    pem, key = certificate
    mosquitto = start_mosquitto(f"certfile {pem}\nkeyfile {key}")
    plain = Broker(port=mosquitto.port, protocol=protocol)
    connection = Connection(plain, "x", subscriptions=[], on_message=lambda _: None)
    with connection, pytest.raises(UnavailableError, match="speaks TLS, and the configuration does not") as trouble:
        connection.ready(10)
    assert "set ca under [broker]" in trouble.value.remedy


def test_a_client_certificate_is_shown(start_mosquitto: StartMosquitto, certificate: tuple[Path, Path]) -> None:
    pem, key = certificate
    mosquitto = start_mosquitto(f"certfile {pem}\nkeyfile {key}\ncafile {pem}\nrequire_certificate true")
    with Listener(Broker(port=mosquitto.port, ca=pem, certificate=pem, key=key)) as one:
        assert one.connection.connected
    bare = Connection(Broker(port=mosquitto.port, ca=pem), "x", subscriptions=[], on_message=lambda _: None)
    with bare, pytest.raises(UnavailableError):
        bare.ready(10)


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(StorageError, match=r"ca\.pem cannot be read"):
        Connection(Broker(ca=tmp_path / "ca.pem"), "x", subscriptions=[], on_message=lambda _: None).start()


def test_a_right_to_subscribe_that_is_missing_is_said() -> None:
    """mosquitto grants every subscription; a broker that does refuse is played by a few bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = Broker(port=server.getsockname()[1], protocol=4)
        with Connection(broker, "x", subscriptions=["forbidden/#"], on_message=lambda _: None) as connection:
            wire, _ = server.accept()
            with wire:
                wire.recv(1000)
                wire.sendall(b"\x20\x02\x00\x00")
                packet = wire.recv(1000)
                wire.sendall(b"\x90\x03" + packet[2:4] + b"\x80")
                with pytest.raises(UnavailableError, match="no right to subscribe to forbidden/#"):
                    connection.ready(10)


@PROTOCOLS
def test_the_will_speaks_for_who_dies_but_not_for_who_leaves(mosquitto: parts.Broker, protocol: int) -> None:
    broker, will = address(mosquitto, protocol), Publication("a/status", b"gone", retain=True)
    with Listener(broker, "a/+") as one:
        with Listener(broker, name="agent", will=will) as agent:
            assert agent.connection.publish(Publication("a/left", b""))
        assert one.next().topic == "a/left"
        with Listener(broker, name="agent", will=will), Listener(broker, name="agent"):
            assert one.next() == Received("a/status", b"gone", retained=False)


def test_an_expired_message_is_not_delivered_any_more(mosquitto: parts.Broker) -> None:
    broker = address(mosquitto)

    def heard() -> list[str]:
        with Listener(broker, "a/+", name="later") as later:
            topics = [later.next().topic]
            while topics[-1] != "a/z":
                topics.append(later.next().topic)
        return topics

    with Listener(broker) as one:
        assert one.connection.publish(Publication("a/m", b"brief", retain=True, expiry_s=1))
        assert one.connection.publish(Publication("a/z", b"for ever", retain=True))
    until(lambda: heard() == ["a/z"])


@PROTOCOLS
def test_what_a_callback_raises_is_kept_and_the_connection_goes_on(mosquitto: parts.Broker, protocol: int) -> None:
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def hear(received: Received) -> None:
        heard.put(received.payload)
        if received.payload == b"bad":
            raise ValueError("cannot bear it")

    broker = address(mosquitto, protocol)
    with Connection(broker, "frail", subscriptions=["a"], on_message=hear) as connection:
        connection.ready(10)
        connection.check()
        for payload in (b"bad", b"good"):
            assert connection.publish(Publication("a", payload))
            assert heard.get(timeout=10) == payload
        with pytest.raises(ValueError, match="cannot bear it"):
            connection.check()


@PROTOCOLS
def test_what_was_handed_over_is_sent_before_the_end(mosquitto: parts.Broker, protocol: int) -> None:
    broker = address(mosquitto, protocol)
    with Listener(broker, "a/#") as one:
        with Listener(broker, name="hasty") as hasty:
            for number in range(300):
                assert hasty.connection.publish(Publication(f"a/{number}", b""))
        assert [one.next().topic for _ in range(300)] == [f"a/{number}" for number in range(300)]


def test_it_stops_in_time_although_the_broker_hangs(mosquitto: parts.Broker) -> None:
    connection = Connection(address(mosquitto), "x", subscriptions=[], on_message=lambda _: None)
    connection.start()
    connection.ready(10)
    os.kill(mosquitto.pid, signal.SIGSTOP)
    try:
        assert connection.publish(Publication("a", b"never acknowledged"))
        stopping = threading.Thread(target=connection.stop, args=(1,))
        stopping.start()
        stopping.join(10)  # a dead link is noticed after half a minute
        assert not stopping.is_alive()
    finally:
        os.kill(mosquitto.pid, signal.SIGCONT)
    assert not connection.connected
    assert not connection.publish(Publication("a", b"too late"))


def test_a_clogged_connection_takes_no_more_than_it_may() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = Broker(port=server.getsockname()[1], protocol=4)
        with Connection(broker, "x", subscriptions=[], on_message=lambda _: None) as connection:
            wire, _ = server.accept()
            with wire:
                wire.recv(1000)
                wire.sendall(b"\x20\x02\x00\x00")
                connection.ready(10)
                taken = sum(connection.publish(Publication("a", b"")) for _ in range(2000))
                assert taken == 1000


def test_its_own_messages_can_be_left_out(mosquitto: parts.Broker) -> None:
    heard: queue.SimpleQueue[Received] = queue.SimpleQueue()
    broker = address(mosquitto)
    connection = Connection(broker, "x", subscriptions=["#"], own_messages=False, on_message=heard.put)
    with connection, Listener(broker, "#", name="other") as other:
        connection.ready(10)
        assert connection.publish(Publication("a", b"own"))
        assert other.next().payload == b"own"
        assert other.connection.publish(Publication("a", b"other"))
        assert heard.get(timeout=10).payload == b"other"
