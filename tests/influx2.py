"""An InfluxDB 2.7 for tests: an organisation, a token, and buckets that InfluxQL finds by their DBRP mappings.

It is built by scripts/get-influxd2, which `make test-long` runs.
"""

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from perch.settings.values import Influx as InfluxSettings
from tests.parts import CACHE, LOOPBACK, Influx, InfluxServer, Server, free_port, without_proxy

ORG = "venue"
TOKEN = "all-access-of-the-tests"  # noqa: S105 (it opens a server on loopback that dies with the test)


def find_influxdb2() -> str | None:
    """Find the InfluxDB 2.7 server in Perch's cache or on PATH."""
    for program in (shutil.which("influxd2", path=str(CACHE)), shutil.which("influxd")):
        if program is not None and _is_influxdb_2(program):
            return program
    return None


def _is_influxdb_2(program: str) -> bool:
    return "InfluxDB v2.7." in subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout


class InfluxServer2(InfluxServer):
    """An InfluxDB 2.7 whose files are all in one folder, set up with ORG and TOKEN at its first start."""

    def __init__(self, program: str, folder: Path) -> None:
        port = free_port()
        options = {
            "http-bind-address": f"{LOOPBACK}:{port}",
            "bolt-path": folder / "influxd.bolt",
            "sqlite-path": folder / "influxd.sqlite",
            "engine-path": folder / "engine",
            "log-level": "warn",
        }
        command = [program, "--reporting-disabled", *(f"--{name}={value}" for name, value in options.items())]
        Server.__init__(self, command, port, folder / "influxdb.log")
        self.headers = {"Authorization": f"Token {TOKEN}"}
        self._folder = folder
        self._is_set_up = False

    def start(self) -> None:
        """Start it and, the first time, make its organisation and token."""
        super().start()
        if not self._is_set_up:
            first = {"username": "admin", "password": "admin-of-the-tests", "bucket": "first"}
            self.call("POST", "/api/v2/setup", {**first, "org": ORG, "token": TOKEN})
            self._is_set_up = True

    def _speaks(self) -> bool:
        try:
            return bool(self.call("GET", "/health")["status"] == "pass")
        except (OSError, AssertionError):
            return False

    def stop(self) -> None:
        """Ask it to end: by SIGINT, since a SIGTERM ends it at once."""
        self._end(lambda process: process.send_signal(signal.SIGINT))

    @property
    def org_id(self) -> str:
        """The id of its one organisation."""
        return str(self.call("GET", f"/api/v2/orgs?org={ORG}")["orgs"][0]["id"])

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send one request to its own API; give the JSON it answers, {} where that is nothing."""
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with without_proxy.open(request, timeout=60) as response:
                told: dict[str, Any] = json.loads(response.read() or b"{}")
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise AssertionError(f"InfluxDB refused {method} {path}: {refusal.read().decode()}") from None
        return told

    def token(self, *rights: tuple[str, str]) -> str:
        """Make a token that may do no more than this: `("read", bucket id)`, `("write", bucket id)`."""
        org_id = self.org_id
        permissions = [
            {"action": action, "resource": {"type": "buckets", "id": bucket_id, "orgID": org_id}}
            for action, bucket_id in rights
        ]
        body = {"orgID": org_id, "permissions": permissions}
        return str(self.call("POST", "/api/v2/authorizations", body)["token"])

    def token_file(self, token: str = TOKEN) -> Path:
        """Write a token into a file, as Perch's settings want it."""
        path = self._folder / f"{token[:16]}.token"
        path.write_text(f"{token}\n")
        return path


class Influx2(Influx):
    """Two fresh buckets of an InfluxDB 2.7, asked as the databases that their names are mapped to."""

    server: InfluxServer2

    def _create(self, name: str) -> None:
        self.server.call("POST", "/api/v2/buckets", {"orgID": self.server.org_id, "name": name})

    def _drop(self, name: str) -> None:
        self.server.call("DELETE", f"/api/v2/buckets/{self.bucket_id(name)}")

    def bucket_id(self, name: str) -> str:
        """Give the id of a bucket."""
        return str(self.server.call("GET", f"/api/v2/buckets?name={name}")["buckets"][0]["id"])

    def keep_days(self, database: str, days: int) -> None:
        """Let a bucket keep its rows for so many days."""
        rules = [{"type": "expire", "everySeconds": days * 86_400, "shardGroupDurationSeconds": 7 * 86_400}]
        self.server.call("PATCH", f"/api/v2/buckets/{self.bucket_id(database)}", {"retentionRules": rules})

    def write(self, line: str) -> None:
        """Write a line into `bucket`, by no code of Perch's."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/write?org={ORG}&bucket={self.bucket}&precision=ns", line.encode(), self.server.headers
        )
        without_proxy.open(request, timeout=60).close()

    @property
    def settings(self) -> InfluxSettings:
        """How `perch.toml` names it."""
        return InfluxSettings(
            self.url,
            token_file=self.server.token_file(),
            org=ORG,
            bucket=self.bucket,
            zones_bucket=self.zones_bucket,
        )

    @property
    def toml(self) -> str:
        """The same as the lines below `[influx]`."""
        return (
            f'url = "{self.url}"\norg = "{ORG}"\ntoken_file = "{self.server.token_file()}"\n'
            f'bucket = "{self.bucket}"\nzones_bucket = "{self.zones_bucket}"\n'
        )
