"""A shell completes `perch` and its subcommands."""

import json
import os
import subprocess
import sys

import pytest

BASH = """
eval "$(_PERCH_COMPLETE=bash_source perch)"
COMP_WORDS=($LINE) COMP_CWORD=$AT
_perch_completion perch
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(line: str, at: int) -> list[str]:
    """Give what bash would offer for the word at a place of a line."""
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "LINE": line, "AT": str(at)}
    told = subprocess.run(
        ["bash", "-uc", BASH], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stderr == ""
    return told.stdout.split()


@pytest.mark.parametrize(
    ("line", "at", "offered"),
    [
        ("perch ag", 1, ["agent", "agents"]),
        ("perch agents l", 2, ["list"]),
        ("perch --v", 1, ["--version"]),
        ("perch nothing-like-it", 1, []),
    ],
)
def test_bash_offers_what_fits(line: str, at: int, offered: list[str]) -> None:
    assert completed(line, at) == offered


def test_names_are_offered_without_importing_any_subcommand() -> None:
    """An agent has no server packages, and nobody waits for those behind a tab key."""
    code = (
        "import json, sys\n"
        "from perch.commands import COMMANDS, LazyGroup, perch\n"
        "import click\n"
        "offered = [item.value for item in perch.shell_complete(click.Context(perch), '')]\n"
        "assert offered == list(COMMANDS)\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('perch.commands.')]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert set(json.loads(told.stdout)) == {"perch.commands.examples", "perch.commands.output"}
