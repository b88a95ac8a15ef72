"""What the broker reads: passwords, access list, certificates, revocations, made of the sites and one list of agents.

All of them are in one folder, each written whole. `roster.json` is the truth and comes first, so that whatever a power
cut leaves half-done is made good by writing once more. Files that the broker reads belong to the folder's group where
the folder hands its group on (mode 2750), and are otherwise for their owner alone; keys of the authority always are.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from perch.adapters.broker.authority import Authority, ends
from perch.adapters.whole_file import write_whole
from perch.contract import roster as rosters
from perch.contract.bridge import edge_name
from perch.contract.credentials import SALT_BYTES, SECRET_BYTES, kept_of, mosquitto_passwords
from perch.contract.rights import Others, farewell_rights, mosquitto_acl, rights_of
from perch.contract.roster import Roster
from perch.contract.topics import user_name
from perch.errors import ContractError, PerchError, StorageError
from perch.model import Identity, Site
from perch.settings import Broker, Enrolment
from perch.settings.values import OWN_LOGIN

ROSTER, ACL, REVOKED = "roster.json", "access.acl", "revoked.pem"
AGENTS, READERS, SERVER = "agents.passwords", "readers.passwords", "server.passwords"
CERTIFICATE, HOST = "broker.pem", "broker.host"
CONFIGURATION, PROOF = "mosquitto.conf", "reload.password"
PROVER = OWN_LOGIN
"""A login whose password is another one after each writing: a broker that takes it has read it.

It may say of agents that were revoked that they are gone, and nothing else."""

RENEW_BEFORE = timedelta(days=30)
OWN = 0o600
SEATS, READERS_SEATS = 700, 100
"""How many may come at once where agents do, and where readers do; a process has 1,024 files unless told otherwise."""


class BrokerFiles:
    """The folder of the broker's files. One program at a time writes it; raises StorageError, PerchError."""

    def __init__(self, enrolment: Enrolment, broker: Broker, sites: Sequence[Site]) -> None:
        self.folder = enrolment.folder
        self.authority = Authority(self.folder)
        self._enrolment, self._broker, self._sites = enrolment, broker, sites

    def __repr__(self) -> str:
        return f"<BrokerFiles in {str(self.folder)!r}>"

    @property
    def proof(self) -> Broker:
        """How whoever has read the newest files lets one in, on this machine."""
        path = self.folder / PROOF
        return Broker(self._broker.host, self._broker.port, None, PROVER, path, None, None, self._broker.protocol)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other program from writing meanwhile."""
        with _reported(self.folder):
            self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
            held = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, OWN)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)

    def roster(self) -> Roster:
        """Read which agents have credentials; an empty one where nobody was enrolled yet."""
        path = self.folder / ROSTER
        try:
            return rosters.decode(path.read_bytes())
        except FileNotFoundError:
            return Roster()
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}", "run this as root") from error
        except ContractError as error:
            raise StorageError(f"{path}: {error.what}", "restore it from a backup") from error

    def prepare(self, name: str, now: datetime) -> None:
        """Make what is missing or soon over, authority and broker's certificate."""
        is_new = not self.authority.exists
        if is_new:
            self.authority.make(name)
        if not is_new and not self._needs_certificate(now):
            return
        signed, key = self.authority.sign_broker(self._enrolment.host)
        self._write(CERTIFICATE, signed.pem.encode() + key)  # in one file, so that they always belong together
        self._write(HOST, self._enrolment.host.encode())

    def write(self, roster: Roster) -> bool:
        """Write everything that the broker reads; it goes on with what it has read until it is told.

        Tells whether it has to be started anew for that, as its configuration is another one.
        """
        if not self.authority.exists:
            raise PerchError(f"there is no authority in {self.folder}", "run perch agents prepare first")
        write_whole(self.folder / ROSTER, rosters.encode(roster), mode=OWN)
        proof = secrets.token_urlsafe(SECRET_BYTES)
        write_whole(self.folder / PROOF, proof.encode(), mode=OWN)
        readers = {reader.name: _kept(reader.password_file) for reader in self._enrolment.readers}
        readers |= {edge_name(edge.site): _kept(edge.password_file) for edge in self._enrolment.edges}
        own = {**readers, **self._own_login(), PROVER: kept_of(proof, secrets.token_bytes(SALT_BYTES))}
        named = self._agents()
        agents = {user: text for user, text in roster.passwords.items() if user in named}
        self._write(ACL, self._access_list(roster).encode())
        self._write(AGENTS, mosquitto_passwords({**readers, **agents}).encode())
        self._write(READERS, mosquitto_passwords(readers).encode())
        self._write(REVOKED, self.authority.revoked(roster.withdrawn))
        is_other = self._configure()
        self._write(SERVER, mosquitto_passwords(own).encode())  # last: it proves that the others were there
        return is_other

    def _configure(self) -> bool:
        path, text = self.folder / CONFIGURATION, configuration(self._enrolment, self._broker.port, len(self._agents()))
        is_other = not path.exists() or path.read_text() != text
        self._write(CONFIGURATION, text.encode())
        return is_other

    def _access_list(self, roster: Roster) -> str:
        readers = tuple(reader.name for reader in self._enrolment.readers)
        others = Others(self._broker.username, readers, tuple(edge.site for edge in self._enrolment.edges))
        told = self._enrolment.home_assistant
        gone = ((one.site, one.agent) for one in roster.members.values() if not one.holds)
        everybody = rights_of(self._sites, others, without=roster.revoked, home_assistant=told)
        return mosquitto_acl((*everybody, farewell_rights(PROVER, gone)))

    def _agents(self) -> frozenset[str]:
        return frozenset(user_name(site.id, agent) for site in self._sites for agent in site.agents)

    def _own_login(self) -> Mapping[str, str]:
        if self._broker.username is None or self._broker.password_file is None:
            return {}
        return {self._broker.username: _kept(self._broker.password_file)}

    def _needs_certificate(self, now: datetime) -> bool:
        certificate, host = self.folder / CERTIFICATE, self.folder / HOST
        if not (certificate.exists() and host.exists()):
            return True
        return host.read_text() != self._enrolment.host or ends(certificate).end - now < RENEW_BEFORE

    def _write(self, name: str, body: bytes) -> None:
        with _reported(self.folder):
            hands_on = self.folder.stat().st_mode & stat.S_ISGID
        write_whole(self.folder / name, body, "run this as root", mode=0o640 if hands_on else OWN)


def configuration(enrolment: Enrolment, own_port: int, agents: int = 0) -> str:
    """Give what mosquitto is to be configured with: in the clear for this machine, TLS for agents, nobody unnamed.

    Who comes is counted before he is known, so a crowd of strangers takes seats: never those of the server's entrance.
    """
    folder = enrolment.folder.absolute()
    by_password = f"password_file {folder / AGENTS}\n"
    by_certificate = (
        f"cafile {folder / 'ca.pem'}\ncrlfile {folder / REVOKED}\n"
        "require_certificate true\nuse_identity_as_username true\n"
    )
    shown = "allow_anonymous false\ntls_version tlsv1.2\n"
    shown += f"certfile {folder / CERTIFICATE}\nkeyfile {folder / CERTIFICATE}\n"
    rights = f"use_username_as_clientid true\nacl_file {folder / ACL}\n"
    readers = (
        f"\nlistener {enrolment.password_port}\nmax_connections {READERS_SEATS}\n"
        f"{shown}password_file {folder / READERS}\n{rights}"
    )
    return (
        "# Written by Perch; a change here is lost at the next enrolment.\n"
        "per_listener_settings true\n"
        "max_queued_messages 10000\nmax_packet_size 65536\n"
        f"\nlistener {own_port} 127.0.0.1\nallow_anonymous false\n"
        f"password_file {folder / SERVER}\nacl_file {folder / ACL}\n"
        f"\nlistener {enrolment.port}\nmax_connections {max(SEATS, agents + READERS_SEATS)}\n"
        + shown
        + (by_certificate if enrolment.identity is Identity.CERTIFICATE else by_password)
        + rights
        + (readers if enrolment.password_port is not None else "")
    )


def now_utc() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def _kept(path: Path) -> str:
    """Give what is kept of the password in a file."""
    try:
        return kept_of(path.read_text(encoding="utf-8").strip(), secrets.token_bytes(SALT_BYTES))
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {error}", "correct the path, or the file's rights") from error


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{folder} cannot be used: {error.strerror}", "run this as root") from error
