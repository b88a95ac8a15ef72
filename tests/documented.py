"""The blocks of the pages: what is written there as a command, a file or a program, and which test carries it out."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "SECURITY.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:\A|\n\n)( {4}(?!\d+\.|[-*] )\S[^\n]*)")
OUTPUT = ("text", "")
"""The language of what is shown, not done; tests of the commands above it compare it."""


class Block(NamedTuple):
    """A fenced block; `page` is its path, `line` that of its fence."""

    page: str
    line: int
    language: str
    text: str


def blocks_of(page: str, *languages: str) -> list[Block]:
    """Give the blocks of a page in their order, of these languages or of all."""
    text = (ROOT / page).read_text("utf-8")
    found = (
        Block(page, text.count("\n", 0, match.start()) + 1, match[2], re.sub(f"(?m)^{match[1]}", "", match[3]))
        for match in FENCE.finditer(text)
    )
    return [block for block in found if not languages or block.language in languages]


def lines_of(block: Block) -> list[str]:
    """Give what is typed; of a session in a terminal only that, not the answers."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")] if block.language == "console" else lines


def indented(page: str) -> list[str]:
    """Give the first lines of blocks that are indented instead of fenced: nothing says what they are."""
    return INDENTED.findall(FENCE.sub("", (ROOT / page).read_text("utf-8")))


CARRIED_OUT = {
    ("README.md", "sh"): "test_readme",
    ("docs/api.md", "sh"): "test_api_docs",
    ("docs/api.md", "js"): "test_api_docs",
    ("docs/audit.md", "sh"): "test_documented_server",
    ("docs/configuration.md", "toml"): "test_settings_docs",
    ("docs/configuration.md", "csv"): "test_settings_docs",
    ("docs/demo.md", "sh"): "test_documented_files",
    ("docs/export.md", "sh"): "test_documented_server",
    ("docs/export.md", "python"): "test_documented_server",
    ("docs/facilities.md", "sh"): "test_facilities_docs",
    ("docs/fitting.md", "sh"): "test_documented_server",
    ("docs/forecast.md", "sh"): "test_api_forecast",
    ("docs/grafana.md", "sh"): "test_influx_docs",
    ("docs/home-assistant.md", "toml"): "test_documented_files",
    ("docs/home-assistant.md", "sh"): "test_documented_server",
    ("docs/influxdb.md", "toml"): "test_influx_docs",
    ("docs/influxdb.md", "sh"): "test_influx_roles",
    ("docs/influxdb.md", "sql"): "test_influx_docs",
    ("docs/installers.md", "sh"): "test_installers_docs",
    ("docs/installers.md", "console"): "test_installers_docs",
    ("docs/installers.md", "ini"): "test_installers_docs",
    ("docs/installers.md", "fstab"): "test_installers_docs",
    ("docs/installers.md", "apt"): "test_installers_docs",
    ("docs/keys.md", "sh"): "test_keys_docs",
    ("docs/keys.md", "toml"): "test_documented_files",
    ("docs/managers.md", "sh"): "test_api_docs",
    ("docs/members.md", "sh"): "test_api_docs",
    ("docs/operators.md", "sh"): "test_operators_docs",
    ("docs/operators.md", "console"): "test_documented_files",
    ("docs/operators.md", "toml"): "test_documented_files",
    ("docs/plans.md", "console"): "test_page_plan_files",
    ("docs/privacy.md", "sh"): "test_privacy",
    ("docs/prometheus.md", "sh"): "test_documented_server",
    ("docs/releasing.md", "sh"): "test_release",
    ("docs/scale.md", "toml"): "test_documented_files",
    ("docs/scale.md", "sh"): "test_scale_docs",
    ("docs/tutorial.md", "sh"): "test_tutorial",
    ("docs/upgrading.md", "sh"): "test_operators_docs",
    ("docs/watches.md", "toml"): "test_documented_files",
    ("docs/watches.md", "sh"): "test_watches",
    ("docs/watches.md", "python"): "test_documented_files",
    ("docs/watches.md", "json"): "test_documented_files",
}
"""The test file that carries out all blocks of a page that are in a language."""

NOT_HERE = {
    ("README.md", "make demo "): "both are what runs this; CI starts and ends the demo of the installed wheel",
    ("docs/releasing.md", "make "): "they build, test and ask for an hour: by hand before a release",
    ("docs/releasing.md", "pipx run "): "installs from the package index: by hand before a release",
    ("docs/installers.md", "$ perch walk"): "needs somebody who walks: test_walk plays it on mock pins",
    (
        "docs/keys.md",
        "location / {",
    ): "no test starts nginx: by hand with 1.22, which passed pages, a login and a stream of events on",
}
"""Why the block of a page that begins so is not carried out by a test; its commands are parsed all the same."""
