"""TOML, written: what `tomllib` reads back as the same values."""

import json
from collections.abc import Iterator, Mapping


def toml(values: Mapping[str, object]) -> str:
    """Write texts, numbers, truth values, lists of them, tables and lists of tables."""
    return "\n".join(_blocks(values, ""))


def _blocks(values: Mapping[str, object], place: str) -> Iterator[str]:
    lines = [f"{_key(key)} = {_value(value)}" for key, value in values.items() if not _is_table(value)]
    if lines:
        yield "".join(f"{line}\n" for line in lines)
    for key, value in values.items():
        name = f"{place}.{_key(key)}" if place else _key(key)
        if isinstance(value, Mapping):
            yield from _headed(f"[{name}]", value, name)
        elif _is_table(value) and isinstance(value, list | tuple):
            for row in value:
                yield from _headed(f"[[{name}]]", row, name)


def _headed(head: str, values: Mapping[str, object], name: str) -> Iterator[str]:
    """Give a table with its head above its own keys; tables within it are blocks of their own."""
    blocks = list(_blocks(values, name))
    own = blocks.pop(0) if any(not _is_table(value) for value in values.values()) else ""
    yield f"{head}\n{own}"
    yield from blocks


def _is_table(value: object) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(isinstance(row, Mapping) for row in value)
    return isinstance(value, Mapping)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _text(key)


def _text(text: str) -> str:
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return json.dumps(value)
    return str(value)  # numbers, infinite ones too, days and times stand as they are
