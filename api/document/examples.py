"""Examples of every shape for the OpenAPI document: made from the shapes themselves and a table of words, so they fit.

A field is given the word of its name where that is of its type, and otherwise something of its type.
"""

from collections.abc import Iterator
from typing import Any, get_type_hints

import msgspec
from msgspec import inspect

WORDS: dict[str, Any] = {
    "site": "hq",
    "id": "d01",
    "name": "Desk 1",
    "floor": "f1",
    "zone": "quiet",
    "kind": "desk",
    "space": "d01",
    "spaces": ["d01", "d02"],
    "agent": "pi-3",
    "capacity": 1,
    "purpose": "shared",
    "features": ["monitor", "window"],
    "state": "free",
    "probability": 0.031,
    "count": 1,
    "reason": "quiet",
    "clock": "ok",
    "since": "2026-03-02T09:12:40.250+00:00",
    "last": "2026-03-02T09:12:40.250+00:00",
    "age_seconds": 12,
    "time_zone": "Europe/Lisbon",
    "as_of": "2026-03-02T09:41:07.120+00:00",
    "at": "2026-03-02T09:41:07.120+00:00",
    "time": "2026-03-02T09:12:40.250+00:00",
    "last_heard": "2026-03-02T09:41:02.004+00:00",
    "from": "2026-02-02T00:00:00.000+00:00",
    "to": "2026-03-02T00:00:00.000+00:00",
    "start": "2026-03-02T08:00:00.000+00:00",
    "end": "2026-03-02T09:00:00.000+00:00",
    "first": "2026-02-02T10:00:00.000+00:00",
    "seen_at": "2026-03-02T09:41:00.000+00:00",
    "undo_until": "2026-03-02T09:42:07.120+00:00",
    "next": None,
    "total": 48,
    "free": 30,
    "occupied": 17,
    "unknown": 1,
    "version": 1,
    "metric": "time_used_ratio",
    "unit": "ratio",
    "resolution": "hour",
    "scope": "kind",
    "hours": "open",
    "value": 0.62,
    "coverage": 0.98,
    "low": 0.61,
    "high": 0.63,
    "weekday": 1,
    "hour": 9,
    "share": 0.95,
    "source": "live",
    "where": "kind",
    "what": "Input should be 'desk', 'room', 'booth' or 'lounge'; got 'sofa'",
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "the request cannot be answered as it is: kind",
    "trouble": None,
    "warnings": [],
    "text": "occupied / known time",
    "is_not": "how many of the spaces are used at once",
    "assumption": "whoever was turned away would have stayed as long as the others",
}

SUMMARY = {"total": 48, "free": 30, "occupied": 17, "unknown": 1}
OF_SHAPE: dict[str, dict[str, Any]] = {
    "Named": {"id": "f1", "name": "First floor"},
    "ZoneItem": {"id": "quiet"},
    "SiteItem": {"id": "hq", "name": "Harbour House"},
    "AgentItem": {"id": "pi-3", "run": 7, "version": "1.0.0", "outbox": 0},
    "SensorItem": {"id": "pir1", "kind": "motion", "health": "ok", "since": "2026-03-01T06:00:00.000+00:00"},
    "Summary": {"by_site": {"hq": SUMMARY}, "by_kind": {"desk": SUMMARY}},
    "DefinitionItem": {"id": "time_used_ratio", "name": "Time used"},
    "AnswerDefinition": {"id": "time_used_ratio"},
    "HistoryRow": {"scope": "desk"},
    "HourOfWeekRow": {"scope": "desk"},
    "ChangeAsked": {"remove": ["d01"]},
    "AuditTap": {"id": "4f3c0a9be1d24c6f8a5b7d9e0c1f2a3b"},
    "AuditTaken": {"id": "4f3c0a9be1d24c6f8a5b7d9e0c1f2a3b"},
    "Root": {"name": "Perch", "version": "0.1.0", "description": "/api/v1/openapi.json"},
    "Health": {"status": "alive"},
    "Part": {"part": "broker", "detail": "connected"},
}
"""Words for fields of shapes where the name means something else than usual."""


def example_of(shape: type) -> Any:
    """Make an example of a struct or a dataclass, as it stands in JSON; what may be left out of a body is left out."""
    own = OF_SHAPE.get(shape.__name__, {})
    words = {**WORDS, **own}
    return {
        name: _example(words.get(name), name in words, kind)
        for name, kind, is_needed in _fields(shape)
        if is_needed or name in own
    }


def _fields(shape: type) -> Iterator[tuple[str, Any, bool]]:
    if issubclass(shape, msgspec.Struct):
        is_body = shape.__struct_config__.forbid_unknown_fields
        for field in msgspec.structs.fields(shape):
            yield field.encode_name, field.type, field.required or not is_body
    else:
        hints = get_type_hints(shape, include_extras=True)
        yield from ((name, hints[name], True) for name in getattr(shape, "__dataclass_fields__", ()))


def _example(word: Any, has_word: bool, kind: Any) -> Any:
    if has_word:
        try:
            msgspec.convert(word, kind)
        except msgspec.ValidationError:
            pass
        else:
            return word
    return _of(inspect.type_info(kind))


def _of(kind: inspect.Type) -> Any:
    """Give something of a type."""
    match kind:
        case inspect.StructType(cls=shape) | inspect.DataclassType(cls=shape):
            return example_of(shape)
        case inspect.TupleType(item_types=parts):
            return [_of(part) for part in parts]
        case inspect.VarTupleType(item_type=part) | inspect.ListType(item_type=part):
            return [_of(part)]
        case inspect.DictType(key_type=key, value_type=value):
            return {_of(key): _of(value)}
        case inspect.UnionType(types=types):
            return _of(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.Metadata(type=inner):
            return _of(inner)
    return _plain(kind)


def _plain(kind: inspect.Type) -> Any:
    match kind:
        case inspect.EnumType(cls=names):
            return next(iter(names)).value
        case inspect.LiteralType(values=values):
            return values[0]
        case inspect.BoolType():
            return True
        case inspect.IntType(ge=least):
            return max(3, least or 0)
        case inspect.FloatType():
            return 0.5
        case inspect.StrType():
            return "text"
    return None
