"""What cannot be taken in is kept for people to look at, within bounds, and counted for ever."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perch.adapters.quarantine import MAX_PAYLOAD_BYTES, Quarantine, QuarantineReader, Suspect
from perch.errors import StorageError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quarantine.db"


def suspect(number: int, size: int = 1, code: str = "undecodable") -> Suspect:
    return Suspect(number, code, "it is bad", "perch/v1/hq/pi-1/up", b"x" * size)


def numbers(path: Path) -> list[int]:
    """When the messages that are kept were received, which is how the tests tell them apart."""
    reader = QuarantineReader(path)
    kept = [message.received_ms for message in reader.read(limit=10_000)]
    reader.close()
    return kept


def test_a_message_is_kept_with_its_code_reason_topic_and_bytes(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([Suspect(5, "bad-topic", "no topic", "perch/v1/?", b"\x00\xff")])
        reader = QuarantineReader(path)
        (message,) = reader.read()
        reader.close()
    assert message[1:] == (5, "bad-topic", "no topic", "perch/v1/?", b"\x00\xff", 0)


@settings(max_examples=40)
@given(sizes=st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=8))
def test_the_newest_are_kept_within_both_bounds(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]]
) -> None:
    path = tmp_path_factory.mktemp("quarantine") / "quarantine.db"
    flat = [size for group in sizes for size in group]
    fit = [place for place in range(len(flat)) if len(flat) - place <= 7 and sum(flat[place:]) <= 100]
    with Quarantine.open(path, max_messages=7, max_bytes=100) as quarantine:
        number = 0
        for group in sizes:
            quarantine.add([suspect(number + place, size) for place, size in enumerate(group)])
            number += len(group)
        assert quarantine.kept == len(fit)
        assert sum(quarantine.seen.values()) == len(flat)
        assert numbers(path) == fit


def test_counts_and_bounds_outlive_a_restart(path: Path) -> None:
    for start in (0, 3):
        with Quarantine.open(path, max_messages=4) as quarantine:
            quarantine.add([suspect(start), suspect(start + 1), suspect(start + 2, code="conflict")])
    assert numbers(path) == [2, 3, 4, 5]
    with Quarantine.open(path, max_messages=4) as quarantine:
        assert quarantine.seen == {"undecodable": 4, "conflict": 2}
        reader = QuarantineReader(path)
        assert reader.dropped() == {"undecodable": 2, "conflict": 0}
        reader.close()


def test_a_huge_message_is_cut_and_says_by_how_much(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([suspect(1, MAX_PAYLOAD_BYTES + 7)])
        reader = QuarantineReader(path)
        (message,) = reader.read()
        reader.close()
    assert (len(message.payload), message.cut) == (MAX_PAYLOAD_BYTES, 7)


def test_its_file_does_not_grow_with_what_passed_through_it(path: Path) -> None:
    with Quarantine.open(path, max_messages=50) as quarantine:
        sizes = []
        for start in range(0, 2000, 100):
            quarantine.add([suspect(start + place, 1000) for place in range(100)])
            sizes.append(path.stat().st_size)
    assert path.stat().st_size < 50 * 1000 * 5


def test_a_text_that_cannot_be_stored_is_stored_as_well_as_can_be(path: Path) -> None:
    with Quarantine.open(path) as quarantine:
        quarantine.add([Suspect(1, "bad-topic", "\udcff" * 5000, "perch/\udcff", b"")])
    assert numbers(path) == [1]


def test_a_missing_quarantine_cannot_be_read(path: Path) -> None:
    with pytest.raises(StorageError):
        QuarantineReader(path)
