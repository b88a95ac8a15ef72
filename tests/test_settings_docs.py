"""The examples in `docs/configuration.md` are what they say: files that load."""

import re
from pathlib import Path

import pytest

from perch.settings import load_agent, load_sensing, load_server, load_site

PAGE = (Path(__file__).parent.parent / "docs" / "configuration.md").read_text("utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every TOML file of the page, and the files that they name."""
    for name, content in re.findall(r"## `(\w+\.toml)`\n+```toml\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(content)
    for site in ("hq", "annex"):
        (tmp_path / site).mkdir()
        (tmp_path / site / "f1.svg").write_text("<svg/>")
        content = (tmp_path / "site.toml").read_text().replace('id = "hq"', f'id = "{site}"')
        (tmp_path / site / "site.toml").write_text(content)
    for name in ("ca.pem", "agent.password", "server.password", "influx.token"):
        (tmp_path / name).write_text("secret")
    return tmp_path


def test_the_agents_example_loads(folder: Path) -> None:
    settings = load_agent(folder / "agent.toml", {})
    assert settings.broker.username == "hq_pi-3"
    assert load_sensing(folder / "agent.toml") == settings.sensing


def test_the_servers_example_loads_with_its_sites(folder: Path) -> None:
    settings = load_server(folder / "perch.toml", {})
    assert [site.id for site in settings.sites] == ["hq", "annex"]
    assert settings.influx is not None


def test_the_table_of_spaces_loads(folder: Path) -> None:
    table = re.search(r"## `spaces.csv`\n\n```csv\n(.*?)```", PAGE, re.DOTALL)
    assert table is not None
    toml = (folder / "hq" / "site.toml").read_text().partition("[[space]]")[0] + '[[zone]]\nid = "open"\nfloor = "f1"\n'
    (folder / "hq" / "site.toml").write_text(toml)
    (folder / "hq" / "spaces.csv").write_text(table[1])
    assert [space.zone for space in load_site(folder / "hq" / "site.toml").spaces] == ["quiet", "open"]


def test_every_key_of_every_file_is_on_the_page() -> None:
    """What the loaders know must be written down: the sources name their keys in quotes."""
    sources = (Path(__file__).parent.parent / "perch" / "settings").glob("*.py")
    keys = {
        key for path in sources for key in re.findall(r'\.(?:need|take|table|tables)\(\s*"(\w+)"', path.read_text())
    }
    assert len(keys) > 40
    assert sorted(key for key in keys if not re.search(rf"\b{key}\b", PAGE, re.IGNORECASE)) == []
