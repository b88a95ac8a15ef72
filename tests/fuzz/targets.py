"""What is tried: for each reader or writer, how inputs are made, and what must hold of whatever it does with one."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from perch import contract
from perch.adapters.influx.line_protocol import LineError
from perch.adapters.journal import codec as journal_codec
from perch.adapters.tables.csv_files import read_states, read_truth, survey_readings
from perch.contract import Batch, Event, StateEvent, Status, Unreadable
from perch.errors import ContractError, InputError
from perch.settings import load_agent, load_sensing, load_server, load_site
from tests.fuzz import documents, messages
from tests.fuzz.rows import Row, row
from tests.line_parser import parse


@dataclass(frozen=True)
class Target:
    """One reader or writer: of 100 inputs it gets `share`; `use` is what is timed, `check` sees what came of it.

    `put` lays an input ready for `use`, which answers with a value or with an error of the kind that it may raise, and
    raises anything else.
    """

    name: str
    share: int
    make: Callable[[Random], Any]
    use: Callable[[Any], Any]
    check: Callable[[Any, Any], None]
    put: Callable[[Any], Any] = lambda made: made


def targets(folder: Path) -> tuple[Target, ...]:
    """Give all targets; those that read files write them into this folder."""
    return (*_payloads(), _topic(), _line(), *_tables(folder), *_settings(folder))


# The wire.


def _payloads() -> Iterator[Target]:
    valid = {"up": messages.up, "ack": messages.ack, "state": messages.state, "status": messages.status}
    parsers: dict[str, Callable[[bytes], Any]] = {
        "up": contract.parse_up,
        "ack": contract.parse_ack,
        "state": contract.parse_state,
        "status": contract.parse_status,
    }
    checks = {"up": _check_batch, "ack": _check_message, "state": _check_message, "status": _check_message}
    for (name, make), share in zip(valid.items(), (40, 7, 8, 8), strict=True):
        yield Target(
            f"payload {name}",
            share,
            lambda dice, make=make: messages.payload(dice, make(dice)),
            lambda payload, parse=parsers[name]: _or_refused(ContractError, parse, payload),
            checks[name],
        )


def _or_refused(kind: type[Exception], use: Callable[[Any], Any], made: Any) -> Any:
    try:
        return use(made)
    except kind as refused:
        return refused


def _check_json(payload: bytes) -> None:
    """An independent reader takes it for JSON; what nobody reads may hold control characters and bytes of no text."""
    with suppress(RecursionError):
        json.loads(payload.decode(errors="replace"), strict=False, parse_int=float)


def _check_refusal(refused: ContractError) -> None:
    assert len(refused.what) < 400, "a complaint never repeats a whole payload"
    assert refused.code
    refused.what.encode()


def _check_batch(payload: bytes, batch: Any) -> None:
    """What was taken is JSON, can be sent and stored, and comes back equal; bad events stand for themselves."""
    if isinstance(batch, ContractError):
        _check_refusal(batch)
        return
    _check_json(payload)
    good: list[Event] = [event for event in batch.events if not isinstance(event, Unreadable)]
    for event in batch.events:
        if isinstance(event, Unreadable):
            assert len(event.why) < 400
            assert event.raw in payload
            event.why.encode()
    for event in good:
        assert contract.decode_event(contract.encode_event(event)) == event
    spaces = sorted({event.space for event in good if isinstance(event, StateEvent)})
    words = {space: number for number, space in enumerate(spaces)}
    for event in good:
        body = journal_codec.encode([event], 1_790_000_000_000, words)
        assert journal_codec.decode(body, event.seq, 1_790_000_000_000, dict(enumerate(spaces))) == [event]
    if len(good) == len(batch.events):
        assert [event.seq for event in good] == list(range(good[0].seq, good[0].seq + len(good)))
        whole = Batch(v=1, epoch=batch.epoch, boot=batch.boot, sent_mono_ms=batch.sent_mono_ms, events=tuple(good))
        again = contract.build_up("s", "a", whole).payload
        if len(again) <= contract.MAX_PAYLOAD_BYTES:
            assert contract.parse_up(again) == batch


def _check_message(payload: bytes, message: Any) -> None:
    """What was taken is JSON, and written anew is read as the same."""
    if isinstance(message, ContractError):
        _check_refusal(message)
        return
    _check_json(payload)
    again = msgspec.json.encode(message)
    if isinstance(message, Status):
        json.dumps(msgspec.to_builtins(message), allow_nan=False).encode()
    assert msgspec.json.decode(again, type=type(message)) == message


def _topic() -> Target:
    return Target(
        "topic", 14, messages.topic, lambda text: _or_refused(ContractError, contract.parse_topic, text), _check_topic
    )


def _check_topic(text: str, address: Any) -> None:
    if isinstance(address, ContractError):
        _check_refusal_of_topic(address)
        return
    assert contract.topic(address.site, address.agent, address.channel, address.space) == text
    assert text.isascii()
    assert not set("+#\x00 ") & set(text)


def _check_refusal_of_topic(refused: ContractError) -> None:
    assert (len(refused.what) < 2_500, refused.code) == (True, "bad-topic")
    refused.what.encode()


# InfluxDB.


def _line() -> Target:
    return Target(
        "line protocol", 12, row, lambda row: _or_refused(LineError, lambda row: row.line(), row), _check_line
    )


def _check_line(row: Row, line: Any) -> None:
    """One row is one line, and an independent reader makes the same row of it, with numbers of the same type."""
    if isinstance(line, LineError):
        assert _has_reason(row), f"{row} was refused without need"
        line.what.encode()
        return
    line.encode()
    found = parse(line)
    assert found == row.expected
    assert [type(value) for value in found.fields.values()] == [type(value) for value in row.expected.fields.values()]


def _has_reason(row: Row) -> bool:
    values = row.expected.fields.values()
    texts = [*row.expected.tags.values(), *(value for value in values if isinstance(value, str))]
    return (
        any(isinstance(value, float) and not math.isfinite(value) for value in values)
        or any("\\" in tag for tag in row.expected.tags.values())
        or not all(text.isprintable() for text in texts)
    )


# Files.


def _tables(folder: Path) -> Iterator[Target]:
    readers: tuple[tuple[str, str, Callable[[Path], Any]], ...] = (
        ("readings", documents.READINGS, survey_readings),
        ("states", documents.STATED, lambda path: sum(1 for _ in read_states(path))),
        ("truth", documents.TRUTH, lambda path: sum(1 for _ in read_truth(path))),
    )
    for name, valid, read in readers:
        path = folder / f"{name}.csv"
        yield _file(f"CSV {name}", 2, lambda dice, valid=valid: documents.table(dice, valid), path, read, path)


def _settings(folder: Path) -> Iterator[Target]:
    for name, content in (("f1.svg", "<svg/>"), ("secret", "s"), ("site.toml", documents.SITE)):
        (folder / name).write_text(content)
    beside = folder / "beside"
    beside.mkdir()
    (beside / "f1.svg").write_text("<svg/>")
    site = documents.SITE
    (beside / "site.toml").write_text(site[: site.index("[[space]]")])
    readers: tuple[tuple[str, str, Callable[[Path], Any]], ...] = (
        ("agent", documents.AGENT, lambda path: load_agent(path, {})),
        ("sensing", documents.SENSING, load_sensing),
        ("site", site, load_site),
        ("perch", documents.SERVER, lambda path: load_server(path, {})),
    )
    for name, valid, read in readers:
        path = folder / f"{name}-any.toml"
        yield _file(f"TOML {name}", 1, lambda dice, valid=valid: documents.toml(dice, valid), path, read, path)
    rows = beside / "spaces.csv"
    yield _file(
        "CSV spaces", 1, lambda dice: documents.table(dice, documents.SPACES), rows, load_site, beside / "site.toml"
    )


def _file(
    name: str, share: int, make: Callable[[Random], bytes], written: Path, read: Callable[[Path], Any], given: Path
) -> Target:
    def put(content: bytes) -> Path:
        written.write_bytes(content)
        return given

    return Target(name, share, make, lambda path: _or_refused(InputError, read, path), _check_complaints, put)


def _check_complaints(_content: bytes, came: Any) -> None:
    """Every complaint says where, what and what to do, in words that can be printed."""
    if isinstance(came, InputError):
        assert came.complaints
        for complaint in came.complaints:
            assert complaint.where
            assert complaint.what
            assert complaint.remedy
            str(complaint).encode()
