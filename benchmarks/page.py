"""The page's first view: how long the server takes, and what a browser makes of it."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import servers
from benchmarks.figures import Figure, cpu_s, wait_for
from tests.parts import CHROMIUM_FLAGS, answers, find_chromium, free_port

NETWORK = Path(__file__).parent.parent / "perch" / "venue" / "network"
SPACES = 500
RUNS = 9
VIEWS = 5
FAST_3G = {"offline": False, "latency": 150, "downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8}
"""What Lighthouse calls a slow phone's network: 1.6 Mbit/s, 150 ms."""

WATCH = """
window.shifts = 0;
new PerformanceObserver((list) => list.getEntries().forEach((one) => {
  if (!one.hadRecentInput) window.shifts += one.value;
})).observe({ type: "layout-shift", buffered: true });
"""


def figures() -> list[Figure]:
    """Give times of the server and of Chromium, on this machine's network and on a slow one."""
    with servers.folder() as where, servers.broker(where / "broker") as broker:
        many = servers.write_server(where, broker, SPACES, api_port=(port := free_port()))
        with _serving(many, port) as (url, pid):
            begun = cpu_s(pid)
            of_many = [_server_ms(f"{url}/?site=hq&run={run}") for run in range(RUNS)]
            busy = (cpu_s(pid) - begun) * 1000 / RUNS
        demo = where / "demo.toml"
        sites = json.dumps([str(path) for path in sorted(NETWORK.glob("*/site.toml"))])
        demo.write_text(
            f'data = "{where}/demo"\nsites = {sites}\n[broker]\nport = {broker.port}\n'
            f"[api]\nport = {(port := free_port())}\nrequests_per_minute = 0\n"
        )
        with _serving(demo, port) as (url, _):
            of_demo = [_server_ms(f"{url}/?site=tejo&run={run}") for run in range(RUNS)]
            plain, slow = _views(f"{url}/?site=tejo", None), _views(f"{url}/?site=tejo", FAST_3G)
    return [
        Figure("server, the demo's two drawn floors, written anew", of_demo, "ms", "≤ 100"),
        Figure(f"server, {SPACES} spaces in a list, written anew", of_many, "ms", "≤ 100"),
        Figure("the same, processor time a view", [busy], "ms"),
        Figure("over the wire, first view", [view["kilobytes"] for view in plain], "kB", "< 60"),
        Figure("requests of the first view", [view["requests"] for view in plain], ""),
        Figure("first paint, this machine", [view["paint_ms"] for view in plain], "ms"),
        Figure(
            "first paint, 1.6 Mbit/s and 150 ms, processor 4 times slower", [view["paint_ms"] for view in slow], "ms"
        ),
        Figure("layout shift within 5 s", [view["shift"] for view in (*plain, *slow)], "", "0"),
    ]


@contextmanager
def _serving(config: Path, port: int) -> Iterator[tuple[str, int]]:
    with servers.process("api", "--config", str(config)) as running:
        wait_for(lambda: answers(port))
        url = f"http://127.0.0.1:{port}"
        _server_ms(url)
        yield url, running.pid


def _server_ms(url: str) -> float:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip", "Accept": "text/html"})
    begun = time.perf_counter()
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
    return (time.perf_counter() - begun) * 1000


def _views(url: str, network: dict[str, Any] | None) -> list[dict[str, float]]:
    program = find_chromium()
    if program is None:
        raise SystemExit("Chromium is not installed: run scripts/get-parts")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*CHROMIUM_FLAGS, "--no-sandbox"])
        seen = [_view(browser, url, network) for _ in range(VIEWS)]
        browser.close()
    return seen


def _view(browser: Any, url: str, network: dict[str, Any] | None) -> dict[str, float]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    wire = context.new_cdp_session(page)
    sizes: list[float] = []
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    if network is not None:
        wire.send("Network.emulateNetworkConditions", network)
        wire.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.add_init_script(WATCH)
    page.goto(url)
    page.locator("body[data-link=live]").wait_for()
    page.wait_for_timeout(5_000)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    shift = page.evaluate("window.shifts")
    context.close()
    return {"kilobytes": sum(sizes) / 1000, "requests": len(sizes), "paint_ms": paint, "shift": shift}
