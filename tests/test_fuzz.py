"""Whatever is sent to Perch or written into its files is read or refused, in time that grows with its size alone."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perch.settings import load_site
from tests.fuzz import growth
from tests.fuzz.campaign import FoundError, Tried, try_inputs, try_one
from tests.fuzz.targets import Target, targets

ROOT = Path(__file__).parent.parent
AT_MOST = 8.0
"""How many times longer four times as much may take: 4 where time grows with size, 16 with its square."""


def test_hostile_inputs_are_taken_or_refused_and_nothing_else(tmp_path: Path) -> None:
    report = try_inputs(20261122, 4_000, tmp_path)
    assert report.inputs == 4_000
    assert len(report.by_target) == 14
    for name, tried in report.by_target.items():
        assert 0 < tried.refused < tried.inputs, f"{name}: good and bad inputs are both among them"


@pytest.mark.long
def test_a_million_hostile_inputs_are_taken_or_refused_and_nothing_else() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--inputs", "1000000", "--seed", "1", "--processes", "2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3_600, check=False)
    print(run.stdout)  # noqa: T201 (what was measured)
    assert run.returncode == 0, run.stderr
    assert re.search(r"^1,000,000 inputs, seed 1, \d+ s$", run.stdout, re.MULTILINE)


# What cannot fail proves nothing.


def target_of(folder: Path, name: str) -> Target:
    return next(target for target in targets(folder) if target.name == name)


def tried_until_found(target: Target, inputs: int = 3_000) -> str:
    number = 0

    def try_all() -> None:
        nonlocal number
        for number in range(inputs):
            try_one(target, 1, number, Tried())

    with pytest.raises(FoundError) as found:
        try_all()
    assert f"--seed 1 --first {number} --inputs 1" in str(found.value)
    return str(found.value)


def test_a_decoder_that_lets_an_error_through_is_found(tmp_path: Path) -> None:
    target = target_of(tmp_path, "payload up")

    def naive(payload: bytes) -> Any:
        try:
            return json.loads(payload)
        except ValueError as refused:
            return refused

    found = tried_until_found(replace(target, use=naive, check=lambda _payload, _came: None))
    assert "RecursionError" in found


def test_a_writer_that_does_not_escape_is_found(tmp_path: Path) -> None:
    target = target_of(tmp_path, "line protocol")

    def naive(row: Any) -> str:
        tags = "".join(f",{name}={value}" for name, value in row.expected.tags.items())
        fields = ",".join(f'{name}="{value}"' for name, value in row.expected.fields.items())
        return f"{row.expected.measurement}{tags} {fields} {row.expected.ns}"

    assert "line protocol" in tried_until_found(replace(target, use=naive))


def test_a_reader_that_takes_the_square_of_its_input_is_seen() -> None:
    def naive(payload: bytes) -> int:
        return sum(payload.count(payload[place : place + 1] * 40) for place in range(0, len(payload), 8))

    assert growth.growth(naive, growth.payload(growth.filled("", "a")), 4_000) > AT_MOST


# Four times as much takes about four times as long.


@pytest.mark.parametrize("name", growth.PAYLOADS)
def test_reading_a_payload_takes_time_by_its_size(name: str) -> None:
    parse, shape = growth.PAYLOADS[name]
    assert growth.growth(parse, growth.payload(shape), 4_000) < AT_MOST


FILES: dict[str, tuple[Callable[[Path], object], growth.Shape, str, str]] = {
    **{f"TOML, {name}": (read, shape, "any.toml", "") for name, (read, shape) in growth.TOML.items()},
    **{f"CSV, {name}": (read, shape, "any.csv", "") for name, (read, shape) in growth.CSV.items()},
    **{
        f"spaces, {name}": (load_site, shape, "spaces.csv", growth.SPACES_SITE) for name, shape in growth.SPACES.items()
    },
}
QUADRATIC_ONCE = ("TOML, a key of many parts", "TOML, unknown keys", "spaces, the same column", "CSV, columns")


@pytest.mark.parametrize("name", QUADRATIC_ONCE)
def test_reading_a_file_takes_time_by_its_size(name: str, tmp_path: Path) -> None:
    read, shape, file_name, given = FILES[name]
    assert growth.growth(read, growth.file(tmp_path, file_name, shape, given), 8_192) < AT_MOST


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_reading_any_file_takes_time_by_its_size(name: str, tmp_path: Path) -> None:
    read, shape, file_name, given = FILES[name]
    assert growth.growth(read, growth.file(tmp_path, file_name, shape, given), 16_384) < AT_MOST
