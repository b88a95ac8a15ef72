"""A private authority and its certificates, by the `openssl` program.

Everything it signs holds from 2020 on: an agent without a real-time clock, or without a time server, may believe for
months that it is earlier than it is, and has to reach its broker all the same. What a certificate is for stands in it,
so that an agent's does not pass for the broker's, nor the broker's for an agent's.
"""

import ipaddress
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from perch.adapters.broker.certificates import Validity, validities
from perch.adapters.whole_file import write_whole
from perch.contract.roster import Withdrawn
from perch.errors import PerchError, StorageError

BEGINS = "20200101000000Z"
AUTHORITY_DAYS, BROKER_DAYS, AGENT_DAYS = 7_300, 825, 825
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
TIMEOUT_S = 60
LONGEST_NAME = 64
_HALF = "restore it from a backup; or remove the other half, if no agent was enrolled yet"

_CONFIG = """\
[ca]
default_ca = perch
[perch]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[broker]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectAltName = {names}
[agent]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[req]
distinguished_name = name
[name]
"""


class Signed(NamedTuple):
    """A certificate in PEM format, and its number."""

    pem: str
    serial: str


class Authority:
    """The authority whose certificate and key are `ca.pem` and `ca.key` in a folder; raises PerchError.

    What it signs holds from `begins` on (as 20200101000000Z).
    """

    def __init__(self, folder: Path, begins: str = BEGINS) -> None:
        self.certificate, self._key, self._begins = folder / "ca.pem", folder / "ca.key", begins

    def __repr__(self) -> str:
        return f"<Authority {str(self.certificate)!r}>"

    @property
    def exists(self) -> bool:
        """Whether it was made; half of one is refused rather than replaced."""
        there = self.certificate.exists(), self._key.exists()
        if there[0] != there[1]:
            gone = self._key if there[0] else self.certificate
            raise StorageError(f"{gone} is gone, and the other half of the authority is there", _HALF)
        return all(there)

    def make(self, name: str) -> None:
        """Make key and certificate; the key is in its place first."""
        with tempfile.TemporaryDirectory() as at:
            folder = Path(at)
            request = _request(folder, name)
            signed = _sign(
                folder, request, "authority", name, (BEGINS, AUTHORITY_DAYS), ("-selfsign", "-keyfile", folder / "key")
            )
            write_whole(self._key, (folder / "key").read_bytes(), mode=0o600)
            write_whole(self.certificate, signed.pem.encode(), mode=0o644)

    def sign_broker(self, host: str) -> tuple[Signed, bytes]:
        """Make a certificate for the name or address by which agents call the broker; gives its key as well."""
        with tempfile.TemporaryDirectory() as at:
            folder = Path(at)
            request = _request(folder, "broker")
            signed = _sign(
                folder, request, "broker", "broker", (self._begins, BROKER_DAYS), self._by(), names=_names(host)
            )
            return signed, (folder / "key").read_bytes()

    def sign_agent(self, request: str, user: str) -> Signed:
        """Sign an agent's request for a certificate, in the name of its login whatever name the request says."""
        if len(user) > LONGEST_NAME:
            raise PerchError(f"{user} is too long a name for a certificate", "give site or agent a shorter id")
        with tempfile.TemporaryDirectory() as at:
            folder = Path(at)
            (folder / "asked").write_text(request)
            return _sign(folder, folder / "asked", "agent", user, (self._begins, AGENT_DAYS), self._by())

    def revoked(self, withdrawn: Sequence[Withdrawn]) -> bytes:
        """Write the list of withdrawn certificates; it holds for as long as the authority."""
        with tempfile.TemporaryDirectory() as at:
            folder = Path(at)
            _prepare(folder, "DNS:nobody")
            lines = (
                f"R\t{_end(AGENT_DAYS)}\t{_moment(one.since_s)}\t{one.serial}\tunknown\t/CN=-\n" for one in withdrawn
            )
            (folder / "index").write_text("".join(lines))
            until = ("-crl_lastupdate", BEGINS, "-crl_nextupdate", _end(AUTHORITY_DAYS, "%Y"))
            _openssl("ca", "-gencrl", "-config", folder / "config", *self._by(), *until, "-out", folder / "list")
            return (folder / "list").read_bytes()

    def _by(self) -> tuple[object, ...]:
        return ("-cert", self.certificate, "-keyfile", self._key)


def key_and_request(name: str) -> tuple[bytes, str]:
    """Make a key, and a request for its certificate: what an agent does before it asks."""
    with tempfile.TemporaryDirectory() as at:
        request = _request(Path(at), name)
        return (Path(at) / "key").read_bytes(), request.read_text()


def ends(path: Path) -> Validity:
    """Tell from when until when a certificate may be used."""
    return validities(path)[0]


def _request(folder: Path, name: str) -> Path:
    _prepare(folder, "DNS:nobody")
    made = ("-keyout", folder / "key", "-out", folder / "asked")
    _openssl("req", "-new", *CURVE, "-config", folder / "config", "-subj", f"/CN={name}", *made)
    return folder / "asked"


def _sign(
    folder: Path,
    request: Path,
    kind: str,
    name: str,
    holds: tuple[str, int],
    by: tuple[object, ...],
    names: str = "DNS:nobody",
) -> Signed:
    _prepare(folder, names)
    signed = folder / "signed"
    what = ("-batch", "-notext", "-in", request, "-out", signed, "-extensions", kind, "-subj", f"/CN={name}")
    when = ("-startdate", holds[0], "-enddate", _end(holds[1], "%Y"))
    _openssl("ca", "-config", folder / "config", *what, *when, *by)
    serial = (folder / "index").read_text().split("\t")[3]
    return Signed(signed.read_text(), serial)


def _prepare(folder: Path, names: str) -> None:
    (folder / "config").write_text(_CONFIG.format(folder=folder, names=names))
    (folder / "index").write_text("")


def _names(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _end(days: int, year: str = "%y") -> str:
    return f"{datetime.now(UTC) + timedelta(days=days):{year}%m%d%H%M%SZ}"


def _moment(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%y%m%d%H%M%SZ}"


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    try:
        done = subprocess.run(  # noqa: S603 - our own words, and no shell
            command, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
        )
    except FileNotFoundError:
        raise PerchError("the program openssl is not installed", "install it: apt install openssl") from None
    except subprocess.TimeoutExpired:
        raise PerchError(f"openssl {arguments[0]} took longer than {TIMEOUT_S} s", "run it again") from None
    if done.returncode:
        why = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "it does not say why")
        raise PerchError(f"openssl {arguments[0]} failed: {why}", "see that the authority's files are whole")
