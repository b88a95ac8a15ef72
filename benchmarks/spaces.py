"""GET /spaces with 500 spaces, beside FastAPI with a `response_model` that answers with the same items."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.figures import Figure, wait_for
from tests.parts import answers, free_port

SPACES = 500
RUNS = 5
SECONDS = 4

PEER = """
import json, sys
from typing import Any
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
class Item(BaseModel):
    site: str
    id: str
    name: str
    floor: str
    zone: str
    kind: str
    capacity: int | None
    purpose: str
    features: list[str]
    state: str
    probability: float
    count: int | None
    reason: str
    since: str | None
    age_seconds: float | None
class Items(BaseModel):
    items: list[Item]
    next: str | None
    as_of: str
answer = json.load(open(sys.argv[1]))
app = FastAPI()
@app.get("/spaces", response_model=Items)
async def spaces() -> Any:
    return answer
uvicorn.run(app, port=int(sys.argv[2]), log_level="error", access_log=False)
"""


def figures() -> list[Figure]:
    """Give the ratio of requests a second, wrk driving both in turn."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    port, peer_port = free_port(), free_port()
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        config = servers.write_server(where, broker, SPACES, api_port=port)
        with servers.process("collector", "--config", str(config)), servers.process("api", "--config", str(config)):
            wait_for(lambda: answers(port))
            ours = f"http://127.0.0.1:{port}/api/v1/spaces?limit={SPACES}"
            filtered = f"{ours}&kind=desk&state=unknown"
            (where / "answer.json").write_text(json.dumps(_get(ours)))
            peer = _start_peer(where / "answer.json", peer_port)
            try:
                return _compare(ours, filtered, f"http://127.0.0.1:{peer_port}/spaces")
            finally:
                peer.terminate()
                peer.wait()


def _compare(ours: str, filtered: str, theirs: str) -> list[Figure]:
    rates, plain, with_filter = [], [], []
    for _ in range(RUNS):
        peer = _requests_per_s(theirs)
        rates.append(_requests_per_s(ours))
        plain.append(rates[-1] / peer)
        with_filter.append(_requests_per_s(filtered) / peer)
    return [
        Figure(f"GET /spaces, {SPACES} spaces", rates, "requests/s"),
        Figure("the same ÷ FastAPI with response_model", plain, "×", "≥ 4"),
        Figure("with filters ÷ FastAPI with response_model, unfiltered", with_filter, "×", "≥ 2"),
    ]


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        got = json.load(answer)
    assert len(got["items"]) == SPACES
    return got


def _start_peer(answer: Path, port: int) -> subprocess.Popen[bytes]:
    peer = subprocess.Popen([sys.executable, "-c", PEER, str(answer), str(port)])
    wait_for(lambda: answers(port))
    return peer


def _requests_per_s(url: str) -> float:
    command = ["wrk", "-t1", "-c8", f"-d{SECONDS}s", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said:
        raise SystemExit(f"{url} answers with errors:\n{said}")
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert found is not None, said
    return float(found[1])
