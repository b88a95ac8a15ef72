"""Schemathesis, which knows Perch by its OpenAPI document alone, finds no 5xx and nothing that breaks the document."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perch.adapters.cursor import Cursor
from perch.adapters.history.store import HistoryStore
from tests.parts import free_port
from tests.serving import Served, a_site, server_settings, serving
from tests.test_api_planning import history

CONFIG = Path(__file__).parent / "schemathesis.toml"
NO_STREAM = ("--exclude-path", "/api/v1/events")  # each look at a stream takes seconds


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API with eight weeks of history and no broker."""
    folder = tmp_path_factory.mktemp("data")
    with HistoryStore.open(folder / "history.db") as store:
        store.add(history(), Cursor("0" * 16, 1))
    with serving(server_settings(free_port(), folder, a_site())) as served:
        yield served


def found(served: Served, folder: Path, *given: str) -> str:
    """Let Schemathesis look; gives its report, which must be good. Readiness is left out: 503 is what it has to say."""
    document = f"{served.url}/api/v1/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", document, "--seed", "1"]
    limits = ["--checks", "all", "--no-color", "--exclude-path", "/readyz", "--generation-database", "none"]
    told = subprocess.run([*command, *limits, *given], cwd=folder, capture_output=True, text=True, timeout=1_500)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Failures:" not in told.stdout
    return told.stdout


def test_the_edges_of_every_parameter_of_live_answers(served: Served, tmp_path: Path) -> None:
    told = found(served, tmp_path, "--phases", "coverage", "--include-tag", "live", *NO_STREAM)
    assert " passed" in told


@pytest.mark.long
def test_every_operation_with_whatever_comes_to_mind(served: Served, tmp_path: Path) -> None:
    phases = "examples,coverage,fuzzing,stateful"
    told = found(served, tmp_path, "--phases", phases, "--max-examples", "150", *NO_STREAM)
    assert " passed" in told
    print(told[-1_500:])  # noqa: T201  # what was looked at, for docs/measured.md
