"""Logs are lines for people, or, where a program reads them, one line of JSON for each event."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from perch.commands.log_lines import JsonLines, PlainLines
from tests.configurations import site_toml
from tests.parts import free_port


def test_one_line_has_all_of_a_record_even_what_was_raised() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("perch.up", logging.ERROR, "", 0, "it %s\nagain", ("died",), sys.exc_info())
    [line] = JsonLines().format(record).splitlines()
    told = json.loads(line)
    assert (told["level"], told["part"], told["what"]) == ("error", "perch.up", "it died\nagain")
    assert told["time"].endswith("Z")
    assert "ValueError: two" in told["trace"]


def test_a_line_for_people_is_one_line_and_commands_no_terminal() -> None:
    record = logging.LogRecord("perch.api", logging.INFO, "", 0, "key %s", ("x\n2026 ERROR\x1b[2J\u202e",), None)
    assert PlainLines("%(levelname)s %(name)s: %(message)s").format(record) == "INFO perch.api: key x·2026 ERROR·[2J·"


def test_a_process_logs_as_its_environment_asks(tmp_path: Path) -> None:
    """A broker that is away is one line, however often it is tried."""
    (tmp_path / "hq.toml").write_text(site_toml(""))
    (tmp_path / "perch.toml").write_text(f"data = 'data'\nsites = ['hq.toml']\n[broker]\nport = {free_port()}\n")
    command = [sys.executable, "-m", "perch.commands", "collector", "--config", str(tmp_path / "perch.toml")]
    process = subprocess.Popen(command, env={**os.environ, "PERCH_LOG": "json"}, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stderr is not None
        said = [json.loads(process.stderr.readline())]
        while "journal" not in said[-1]["what"]:
            said.append(json.loads(process.stderr.readline()))
        process.terminate()
        said += [json.loads(line) for line in process.stderr]
    assert {line["level"] for line in said} <= {"info", "warning"}
    assert len([line for line in said if "broker" in line["what"]]) <= 1
