"""A server that answers as Grafana's documentation says of folders and dashboards: no Grafana, and no proof of one."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.parts import LOOPBACK

TOKEN = "glsa_of-the-tests"  # noqa: S105 (it opens a server on loopback that dies with the test)
Json = dict[str, Any]
Answer = tuple[int, Any]


@dataclass
class Grafana:
    """What it holds; `status` and `body` answer everything instead, where they are set."""

    url: str
    folders: dict[str, str] = field(default_factory=dict)
    dashboards: dict[str, Json] = field(default_factory=dict)
    folder_of: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int | None = None
    body: bytes = b""
    nothing_to_say: bool = False
    changes_meanwhile: bool = False

    def answer(self, method: str, path: str, body: Json) -> Answer:
        """Answer as documented."""
        match [method, *path.strip("/").split("/")]:
            case ["GET", "api", "folders", uid]:
                return self._found(uid, {"uid": uid, "title": self.folders.get(uid)}, uid in self.folders)
            case ["POST", "api", "folders"]:
                return self._make_folder(body)
            case ["GET", "api", "dashboards", "uid", uid]:
                told = {"dashboard": self.dashboards.get(uid), "meta": {"folderUid": self.folder_of.get(uid)}}
                return self._found(uid, told, uid in self.dashboards)
            case ["POST", "api", "dashboards", "db"]:
                return self._save(body)
        return 404, {"message": "Not found"}

    def _found(self, uid: str, told: Json, there: bool) -> Answer:
        if self.changes_meanwhile and there and uid in self.dashboards:
            told = json.loads(json.dumps(told))
            self.dashboards[uid]["version"] += 1
        return (200, told) if there and not uid.isdigit() else (404, {"message": "not found", "status": "not-found"})

    def _make_folder(self, body: Json) -> Answer:
        if body["uid"] in self.folders:
            return 412, {"message": "The folder has been changed by someone else", "status": "version-mismatch"}
        self.folders[body["uid"]] = body["title"]
        return 200, {"id": 1, "uid": body["uid"], "title": body["title"]}

    def _save(self, body: Json) -> Answer:
        dashboard = body["dashboard"]
        uid, there = dashboard["uid"], self.dashboards.get(dashboard["uid"])
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found", "status": "not-found"}
        if there is not None and not body["overwrite"] and dashboard["version"] != there["version"]:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        twins = [one for one, kept in self.dashboards.items() if kept["title"] == dashboard["title"] and one != uid]
        if any(self.folder_of[one] == body["folderUid"] for one in twins):
            return 412, {"message": "A dashboard with the same name exists", "status": "name-exists"}
        version = 1 if there is None else there["version"] + 1
        self.dashboards[uid] = {**dashboard, "id": 7, "version": version}
        self.folder_of[uid] = body["folderUid"]
        return (
            (204, None)
            if self.nothing_to_say
            else (200, {"id": 7, "uid": uid, "status": "success", "version": version})
        )


class _Handler(BaseHTTPRequestHandler):
    grafana: Grafana

    def _answer(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.removeprefix("/grafana")
        self.grafana.asked.append(f"{self.command} {path}")
        if self.grafana.status is not None:
            self._say(self.grafana.status, self.grafana.body)
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._say(401, b'{"message":"Invalid API key"}')
        else:
            status, told = self.grafana.answer(self.command, path, json.loads(sent or b"{}"))
            self._say(status, b"" if told is None else json.dumps(told).encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 (so the library calls them)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def grafana_server() -> Iterator[Grafana]:
    """Run one below a path, as behind a proxy."""
    server = ThreadingHTTPServer((LOOPBACK, 0), type("Handler", (_Handler,), {}))
    grafana = Grafana(f"http://{LOOPBACK}:{server.server_port}/grafana")
    server.RequestHandlerClass.grafana = grafana  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
