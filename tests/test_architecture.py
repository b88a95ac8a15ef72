"""The laws of the house hold, and each of them can fail."""

import functools
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import laws

ROOT = Path(__file__).parent.parent


def python_files(*folders: str) -> list[Path]:
    """Give the Python files of the repository in these folders: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name.endswith(".py") and (ROOT / name).exists()]


def tree_of(*folders: str) -> dict[str, str]:
    """Give the sources in these folders by module name."""
    return {_module_name(path): path.read_text() for path in python_files(*folders)}


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.fixture(scope="module")
def product() -> dict[str, str]:
    """Every module that is shipped."""
    tree = tree_of(*laws.PACKAGES)
    assert {"perch.model", "perch.contract"} <= tree.keys()
    return tree


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_law(law: laws.Law, product: dict[str, str]) -> None:
    assert law(product) == []


def test_tests_neither_mock_nor_patch_nor_sleep() -> None:
    assert laws.tests_are_honest(tree_of("tests")) == []


IMPURE = ("time", "socket", "threading", "os", "random", "secrets", "subprocess", "sqlite3", "asyncio", "pathlib", "io")

PLANTED: list[tuple[laws.Law, str, str]] = [
    (laws.no_shell_imports_a_shell, "collector.main", "from api import board"),
    (laws.no_shell_imports_a_shell, "dashboards.build", "def build():\n    import collector.journal"),
    (laws.arrows_point_down, "perch.adapters.mqtt.connection", "from collector import intake"),
    (laws.arrows_point_down, "perch.model", "from perch.contract import ROOT"),
    (laws.arrows_point_down, "perch.settings.site", "from perch.venue import people"),
    (laws.arrows_point_down, "perch.errors", "from perch import model"),
    (laws.arrows_point_down, "perch", "import perch.commands"),
    (laws.arrows_point_down, "api.app", "import importlib\nimportlib.import_module('perch.commands')"),
    (laws.pure_packages_keep_apart, "perch.history.answers", "from perch.delivery import board"),
    (
        laws.pure_packages_keep_apart,
        "perch.sensing.hold",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from perch.adapters.mqtt import connection",
    ),
    (laws.pure_packages_keep_apart, "perch.delivery.sender", "import perch.settings"),
    (laws.pure_packages_keep_apart, "perch.delivery.receiver", "from perch import contract"),
    *(
        (laws.pure_rooms_import_nothing_impure, "perch.sensing.hold", f"import {name}")
        for name in (*IMPURE, "paho.mqtt.client", "influxdb_client", "fastapi", "requests")
    ),
    (laws.pure_rooms_import_nothing_impure, "perch.delivery.board", "import numpy"),
    (laws.pure_rooms_import_nothing_impure, "perch.history.answers", "def f():\n    import msgspec"),
    (laws.pure_rooms_import_nothing_impure, "perch.contract", "from urllib import request"),
    (laws.pure_rooms_import_nothing_impure, "perch.model", "from . import errors"),
    (laws.pure_rooms_call_nothing_impure, "perch.model", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
    (
        laws.pure_rooms_call_nothing_impure,
        "perch.model",
        "from datetime import date\ndef f():\n    return date.today()",
    ),
    (laws.pure_rooms_call_nothing_impure, "perch.history.answers", "text = open('/etc/hosts').read()"),
    (laws.pure_rooms_call_nothing_impure, "perch.history.sizing", "import numpy as np\nnp.random.default_rng()"),
    (laws.third_parties_stay_with_their_owner, "perch.venue.pins", "from gpiozero.pins.mock import MockFactory"),
    (laws.third_parties_stay_with_their_owner, "collector.health", "import fastapi"),
    (laws.no_import_cycles, "perch.model", "import perch.model.a"),
]


@pytest.mark.parametrize(("law", "module", "source"), PLANTED)
def test_a_planted_violation_is_found(law: laws.Law, module: str, source: str) -> None:
    others = dict.fromkeys(["api.board", "collector.intake", "perch.model", "perch.contract"], "")
    cyclic = {"perch.model.a": "from perch import model"}
    assert law(others | cyclic | {module: source}), f"{law.__name__} did not see it"


LAWFUL = [
    ("perch.commands.demo", "import api.app, collector.main, perch.venue, click"),
    ("api.app", "import fastapi\nfrom perch.adapters import mqtt\nfrom perch.history.answers import answer"),
    ("perch.venue.people", "import random\nfrom perch.sensing import hold\nfrom perch.contract import ROOT"),
    ("perch.history.answers", "import numpy as np\nfrom datetime import date\nrng = np.random.default_rng(7)"),
    ("perch.contract", "import msgspec\nfrom perch.model import State"),
    ("sensor_agent.pins", "import gpiozero"),
    ("perch.model", "def late():\n    import perch.model"),
]


@pytest.mark.parametrize(("module", "source"), LAWFUL)
@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_what_is_lawful_is_let_be(law: laws.Law, module: str, source: str) -> None:
    assert law({module: source}) == []


@pytest.mark.parametrize(
    "source",
    [
        "from unittest.mock import Mock",
        "from unittest import mock",
        "import time\ntime.sleep(1)",
        "import asyncio\nasync def test(): await asyncio.sleep(1)",
        "def test(page): page.wait_for_timeout(500)",
        "def test(monkeypatch): monkeypatch.setattr('perch.model.is_id', bool)",
    ],
)
def test_a_dishonest_test_is_found(source: str) -> None:
    assert laws.tests_are_honest({"tests.test_x": source, "unittest.mock": ""})


EXTRAS = {
    "perch.settings": ("server",),
    "perch.commands": ("server", "agent", "demo"),
    "perch.adapters": ("server", "export"),
    "perch.history": ("server",),
    "perch.venue": ("server",),
    "perch": (),
    "sensor_agent": ("agent", "co2"),
    "collector": ("server",),
    "api": ("server",),
    "dashboards": ("grafana",),
}
"""Which extras a room may count on, beside the core dependencies: an agent has neither history nor venue."""


@functools.cache
def _declared_by_extra() -> dict[str, set[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"": project["dependencies"], **project["optional-dependencies"]}
    return {extra: {_canonical(requirement) for requirement in listed} for extra, listed in named.items()}


def _canonical(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name.group()).lower()


def _import_names(distributions: set[str]) -> set[str]:
    return {
        name for name, owners in _distributions().items() if {_canonical(owner) for owner in owners} & distributions
    }


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def _declared(importer: str) -> set[str]:
    return _declared_for(next(extras for room, extras in EXTRAS.items() if laws.is_in(importer, room)))


@functools.cache
def _declared_for(extras: tuple[str, ...]) -> set[str]:
    by_extra = _declared_by_extra()
    return _import_names(set().union(*(by_extra[extra] for extra in ("", *extras))))


def test_every_import_of_the_product_is_declared(product: dict[str, str]) -> None:
    assert laws.nothing_undeclared_is_imported(product, _declared) == []


def test_every_import_of_tests_and_benchmarks_is_declared() -> None:
    everything = _import_names(set().union(*_declared_by_extra().values()))
    tree = tree_of("tests", "benchmarks", *laws.PACKAGES)
    assert laws.nothing_undeclared_is_imported(tree, lambda _: everything) == []


def test_an_undeclared_import_is_found() -> None:
    tree = {"collector.main": "import gpiozero", "sensor_agent.main": "import sqlite3, gpiozero"}
    assert len(laws.nothing_undeclared_is_imported(tree, _declared)) == 1


IMPORT_AND_WATCH = """
import importlib, json, sys, threading
modules, third_parties = json.load(sys.stdin)
sys.dont_write_bytecode = True
for name in third_parties:
    importlib.import_module(name)
seen, watching = [], True
def watch(event, arguments):
    opens_to_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    starts = event.startswith(("socket.", "subprocess.", "_thread.start", "os.mkdir", "os.fork", "sqlite3.connect"))
    if watching and (opens_to_write or starts):
        seen.append(f"{event} {arguments!r}")
sys.addaudithook(watch)
for name in modules:
    before = len(seen)
    importlib.import_module(name)
    seen[before:] = [f"importing {name}: {what}" for what in seen[before:]]
watching = False
threads = [str(thread) for thread in threading.enumerate() if thread is not threading.main_thread()]
print(json.dumps(seen + threads))
"""


def _import_in_a_fresh_process(modules: list[str], third_parties: list[str], folder: Path = ROOT) -> list[str]:
    command = [sys.executable, "-c", IMPORT_AND_WATCH]
    told = json.dumps([modules, third_parties])
    run = subprocess.run(command, cwd=folder, input=told, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: list[str] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_importing_does_nothing(product: dict[str, str]) -> None:
    """No module of the product opens a socket, writes a file or starts a thread or process because it is imported."""
    runnable = [module for module in product if not module.endswith("__main__")]
    third_parties = {found.imported for found in laws.imports(product) if found.at_import} - product.keys()
    assert _import_in_a_fresh_process(runnable, sorted(third_parties)) == []


@pytest.mark.parametrize(
    "deed",
    [
        "import socket; socket.socket()",
        "open('notes.txt', 'w').close()",
        "import threading; threading.Timer(1, list).start()",
        "import subprocess; subprocess.Popen(['true']).wait()",
    ],
)
def test_an_import_that_does_something_is_found(deed: str, tmp_path: Path) -> None:
    (tmp_path / "eager.py").write_text(deed)
    assert _import_in_a_fresh_process(["eager"], [], tmp_path)


HEAVY = {
    "numpy",
    "paho",
    "fastapi",
    "pydantic",
    "influxdb_client",
    "gpiozero",
    "holidays",
    "jinja2",
    "uvicorn",
    "amqtt",
}


def test_asking_for_help_loads_nothing_heavy() -> None:
    """`perch --help` must answer at once, so each command imports what it needs only when it runs."""
    code = (
        "import sys, contextlib\nfrom perch.commands import main\nsys.argv = ['perch', '--help']\n"
        "with contextlib.suppress(SystemExit): main()\nprint(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "perch demo" in run.stdout
    assert HEAVY & set(run.stderr.split()) == set()


def test_an_agent_needs_no_package_of_the_server(product: dict[str, str]) -> None:
    """A Raspberry Pi installs `perch-occupancy[agent]` and nothing else."""
    by_extra = _declared_by_extra()
    servers = set().union(*by_extra.values()) - by_extra[""] - by_extra["agent"]
    blocked = sorted(_import_names(servers - {"perch-occupancy"}))
    assert "numpy" in blocked
    modules = [module for module in product if laws.is_in(module, "sensor_agent") and not module.endswith("__main__")]
    code = (
        f"import sys, importlib\nsys.modules |= dict.fromkeys({blocked})\n"
        f"for name in {modules}: importlib.import_module(name)\n"
        "from perch.commands import main\nsys.argv = ['perch', 'agent', '--help']\nmain()"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "perch agent" in run.stdout
