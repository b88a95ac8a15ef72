"""When X.509 certificates begin and end, and whose they are: what `ssl` tells only of those that it has accepted."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from perch.errors import StorageError

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERSION_TAG, _UTC_TIME = 0xA0, 0x17
_COMMON_NAME = b"\x06\x03\x55\x04\x03"


class Validity(NamedTuple):
    """From when until when a certificate may be used."""

    begin: datetime
    end: datetime


def validities(path: Path) -> list[Validity]:
    """Give the validity of each certificate in a PEM file; raises StorageError."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
        found = [validity(ssl.PEM_cert_to_DER_cert(block)) for block in _PEM.findall(text)]
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {error}", "put a certificate in PEM format there") from error
    if not found:
        raise StorageError(f"{path} holds no certificate", "put a certificate in PEM format there")
    return found


def validity(der: bytes) -> Validity:
    """Read the validity of a certificate in DER; raises ValueError where it is none."""
    try:
        begin, end = _fields(_signed_fields(der)[3][1])
        return Validity(_time(*begin), _time(*end))
    except (StopIteration, IndexError, ValueError) as error:
        raise ValueError(f"no certificate: {error}") from error


def common_name(path: Path) -> str | None:
    """Give the name that the first certificate in a PEM file is for; None where it has none, or cannot be read."""
    try:
        block = _PEM.search(path.read_text(encoding="ascii", errors="replace"))
        subject = _signed_fields(ssl.PEM_cert_to_DER_cert(block[0]))[4] if block else (0, b"")
        parts = subject[1].partition(_COMMON_NAME)[2]
        return parts[2 : 2 + parts[1]].decode() if parts else None
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _signed_fields(der: bytes) -> list[tuple[int, bytes]]:
    """Give what an authority signs: serial number, signature algorithm, issuer, validity, subject, and more."""
    (_, certificate) = next(_fields(der))
    (_, signed) = next(_fields(certificate))
    return [field for field in _fields(signed) if field[0] != _VERSION_TAG]


def _fields(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Give tag and content of each field, one after the other."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            digits = length & 0x7F
            length, at = int.from_bytes(der[at : at + digits], "big"), at + digits
        yield tag, der[at : at + length]
        at += length


def _time(tag: int, content: bytes) -> datetime:
    form = "%y%m%d%H%M%SZ" if tag == _UTC_TIME else "%Y%m%d%H%M%SZ"
    return datetime.strptime(content.decode("ascii"), form).replace(tzinfo=UTC)
