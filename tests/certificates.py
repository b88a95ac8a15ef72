"""Authorities and certificates for tests, made by the `openssl` program."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.parts import LOOPBACK


class Certificate(NamedTuple):
    """Files in PEM format."""

    certificate: Path
    key: Path


def openssl(*arguments: object) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates; its files are in a folder of its own."""

    def __init__(self, folder: Path, name: str = "Perch tests", days: int = 3650) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        self._new("-x509", "-days", days, "-keyout", self._key, "-out", self.certificate, "-subj", f"/CN={name}")

    def sign(self, name: str, *, days: int = 365, host: str = f"IP:{LOOPBACK}") -> Certificate:
        """Make a certificate that ends so many days from now, or has ended where that is less than none."""
        key, request, signed = (self._folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        self._new("-keyout", key, "-out", request, "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}")
        by = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-copy_extensions", "copy")
        openssl("x509", "-req", "-in", request, *by, "-days", days, "-out", signed)
        return Certificate(signed, key)

    def _new(self, *arguments: object) -> None:
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *arguments)
