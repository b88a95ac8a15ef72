"""Lines are worked out while the ones before are on their way, and a batch that fails is the end of it."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from collector.influx.rows import Lines
from collector.influx.writing import write_lines
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import MAX_LINES
from perch.errors import UnavailableError

WAIT_S = 10.0


def test_the_next_lines_are_worked_out_while_a_batch_is_on_its_way() -> None:
    more, stored = threading.Event(), []

    def lines() -> Iterator[Lines]:
        yield Bucket.SPACES, [str(number) for number in range(MAX_LINES)]
        more.set()
        yield Bucket.ZONES, ["z"]
        yield Bucket.SPACES, [str(number) for number in range(MAX_LINES, 2 * MAX_LINES + 3)]

    def store(bucket: Bucket, batch: Sequence[str]) -> None:
        assert more.wait(WAIT_S), "it waits for what is worked out after it"
        stored.append((bucket, list(batch)))

    write_lines(lines(), store)
    assert [len(batch) for _, batch in stored] == [MAX_LINES, MAX_LINES, 3, 1]
    assert [line for bucket, batch in stored if bucket is Bucket.SPACES for line in batch] == [
        str(number) for number in range(2 * MAX_LINES + 3)
    ]


def test_batches_are_never_stored_beside_each_other() -> None:
    alone = threading.Lock()

    def store(bucket: Bucket, batch: Sequence[str]) -> None:
        del bucket, batch
        assert alone.acquire(blocking=False)
        alone.release()

    write_lines(((Bucket(name), ["x"]) for _ in range(3 * MAX_LINES) for name in ("spaces", "zones")), store)


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_batch_that_fails_is_the_last_and_its_error_is_told(fails_at: int) -> None:
    batches: list[int] = []

    def store(bucket: Bucket, batch: Sequence[str]) -> None:
        del bucket
        batches.append(len(batch))
        if len(batches) == fails_at:
            raise UnavailableError("InfluxDB is away")

    with pytest.raises(UnavailableError, match="away"):
        write_lines(((Bucket.SPACES, ["x"]) for _ in range(2 * MAX_LINES + 1)), store)
    assert len(batches) == fails_at
