"""Whatever stands in a configuration file, loading it gives settings or an InputError, and nothing else."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from perch.errors import Complaint, InputError
from perch.settings import load_agent, load_sensing, load_server, load_site
from tests.examples import usually

HEADERS = (
    "[site] [hours] [broker] [influx] [api] [retention] [enrolment] [[reader]] [[space]] [[sensor]] [[floor]] [[zone]]"
    " [[agent]] [x]"
)
KEYS = """
site agent data outbox_events id name kind space zone floor pin channel driver every_seconds hold_seconds prefer
capacity quiet_limit_hours purpose features valid_from valid_until time_zone country closed mon sun plan host port ca
key certificate password_file protocol url org bucket database sites public_summary cors_origins requests_per_minute
transitions_days folder desk_port identity reload pid_file home_assistant
"""
VALUES = """
"hq" "d01" "desk" "motion" "co2" "quiet" "" "\\u0000" "é" "PT" "UTC" "http://x" "08:00-20:00" "5" 5 0 -1 17 1e308 nan
inf -0.0 true false [] [1] ["a.toml"] [["a"]] {} {a=1} 1979-05-27 07:32:00 1979-05-27T07:32:00Z "2026-01-01"
99999999999999999999
"""
MARKS = """ = == [ ] [[ ]] { } , . : # " \""" ' \n \r \\ """
lines = st.builds("{} = {}".format, st.sampled_from(KEYS.split()), st.sampled_from(VALUES.split()))
tables = st.builds(
    lambda header, body: "\n".join([header, *body]), st.sampled_from(HEADERS.split()), st.lists(lines, max_size=8)
)
files = st.builds(lambda *parts: "\n".join(chain(*parts)), st.lists(lines, max_size=6), st.lists(tables, max_size=6))
words = st.sampled_from([*KEYS.split(), *VALUES.split(), *HEADERS.split(), *MARKS.split(" "), "9" * 5000])
TEXTS = st.one_of(files, st.text(max_size=200), st.lists(words, max_size=40).map(" ".join))
CELLS = st.lists(
    st.sampled_from(["d01", "quiet", "desk", "", '"', "2026-05-01", "9" * 5000, "\0", "é", " "]), max_size=14
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder in which files are written again and again."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


LOADERS: list[Callable[[Path], object]] = [
    lambda path: load_agent(path, {}),
    load_sensing,
    load_site,
    lambda path: load_server(path, {}),
]


def complaints_of(load: Callable[[Path], object], path: Path) -> tuple[Complaint, ...]:
    """Load a file; gives what an InputError says, which must be something. Any other error goes on."""
    try:
        load(path)
    except InputError as error:
        return error.complaints or (Complaint("", ""),)
    return ()


def is_whole(complaint: Complaint) -> bool:
    """Whether it says where, what and what to do."""
    return bool(complaint.where and complaint.what and complaint.remedy)


@pytest.mark.parametrize("load", LOADERS, ids=["agent", "sensing", "site", "server"])
@usually(150)
@given(content=TEXTS)
@example(content="[" * 100_000)
@example(content="x = " + "[" * 100_000)
@example(content="site = " + "9" * 5000)
@example(content="[site]\nid = " + "9" * 5000)
@example(content='data = "\\u0000"\nsites = ["\\u0000"]\n[site]\ntime_zone = "\\u0000"')
@example(content='[[floor]]\nid = "f"\nplan = "' + "x" * 5000 + '"')
@example(content="[[space]]\nvalid_from = 1979-05-27T07:32:00Z\ncapacity = nan\nhold_seconds = 1e308")
@example(content="a." * 900 + "a = 1")
def test_any_text_loads_or_is_an_input_error(load: Callable[[Path], object], content: str, folder: Path) -> None:
    path = folder / "any.toml"
    path.write_text(content, encoding="utf-8", errors="replace")
    assert all(map(is_whole, complaints_of(load, path)))


@usually(150)
@given(rows=st.lists(CELLS, max_size=6), tail=st.binary(max_size=40))
def test_any_table_of_spaces_loads_or_is_an_input_error(rows: list[list[str]], tail: bytes, folder: Path) -> None:
    head = '[site]\nid = "hq"\ntime_zone = "UTC"\n[hours]\n[[floor]]\nid = "f"\n[[zone]]\nid = "quiet"\nfloor = "f"\n'
    columns = "id,zone,kind,name,capacity,purpose,features,valid_from,valid_until\n"
    (folder / "site.toml").write_text(head)
    lines = "\n".join(map(",".join, rows)).encode()
    (folder / "spaces.csv").write_bytes(columns.encode() + lines + b"\n" + tail)
    assert all(map(is_whole, complaints_of(load_site, folder / "site.toml")))


@pytest.mark.parametrize("key", ["a." * 40 + "a", '"a" . ' * 40 + "a", '\'a\'."\\"".' * 20 + "a"])
@pytest.mark.parametrize("written", ["{} = 1", "[{}]", "x = {{{} = 1}}"])
def test_a_key_of_many_parts_is_refused_by_its_line(written: str, key: str, folder: Path) -> None:
    path = folder / "deep.toml"
    path.write_text("# first\n" + written.format(key))
    with pytest.raises(InputError, match=r"deep\.toml:2: a key of more than 40 parts"):
        load_sensing(path)


def test_many_unknown_keys_are_named_up_to_a_number(folder: Path) -> None:
    path = folder / "unknown.toml"
    path.write_text("".join(f"key{n} = 1\n" for n in range(500)))
    with pytest.raises(InputError) as refused:
        load_sensing(path)
    told = [complaint.what for complaint in refused.value.complaints if "known here" in complaint.what]
    assert told == ["is not known here"] * 20 + ["480 more keys are not known here"]
