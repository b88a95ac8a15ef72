"""A typed client comes out of the OpenAPI document by a public generator, and talks to a running API."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.application import with_routes
from api.document.finishing import operations
from tests.parts import free_port
from tests.serving import Served, server_settings, serving

NAME = "perch_client_of_the_test"


@pytest.fixture(scope="module")
def document() -> Any:
    """The document as it is published."""
    return with_routes().openapi()


@pytest.fixture(scope="module")
def generated(document: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the client in it, from which modules can be imported."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "settings.yaml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
    given = ["--path", "openapi.json", "--config", "settings.yaml", "--output-path", NAME]
    told = subprocess.run([*command, *given], cwd=folder, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stdout + told.stderr
    sys.path.insert(0, str(folder))
    yield folder / NAME
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API that has no broker."""
    with serving(server_settings(free_port(), tmp_path_factory.mktemp("data"))) as served:
        yield served


def test_the_client_has_a_function_for_every_operation(document: Any, generated: Path) -> None:
    functions = {path.stem for path in generated.glob("api/*/*.py")} - {"__init__"}
    assert functions == {operation["operationId"] for operation in operations(document)}


@pytest.mark.usefixtures("generated")
def test_the_client_reads_what_a_running_api_answers(served: Served) -> None:
    models = importlib.import_module(f"{NAME}.models")
    spaces, summary, one_space = (
        importlib.import_module(f"{NAME}.api.live.{name}") for name in ("spaces", "summary", "one_space")
    )
    desks = {"kind": models.SpaceKind.DESK, "state": models.State.UNKNOWN}
    with importlib.import_module(f"{NAME}.client").Client(base_url=served.url) as client:
        first = spaces.sync(client=client, **desks, limit=2)
        rest = spaces.sync(client=client, **desks, cursor=first.next_)
        counts = summary.sync(client=client)
        refused = one_space.sync(client=client, site="hq", space="d99")
    assert isinstance(first, models.SpacePage)
    assert [space.id for space in first.items] == ["d01", "d02"]
    assert [space.id for space in rest.items] == ["d03"]
    assert counts.by_kind["desk"].unknown == 3
    assert isinstance(refused, models.Problem)
    assert refused.status == 404


@pytest.mark.long
def test_the_client_passes_a_type_checker(generated: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(generated.parent / "cache"), "-p", NAME],
        cwd=generated.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert told.returncode == 0, told.stdout
