"""One page of a list, and the cursor of the next.

A cursor is opaque, belongs to one question (resource, filters, order), and needs no memory of the server's. In a list
ordered by key it names the last key of its page. In a list whose order moves while it is read it says which places have
been given, a bit for each; the next page is then the best of the rest. Either way, whatever is there all the time is
given exactly once, however much comes, goes or moves meanwhile.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from perch.model import is_id

MOST_ITEMS = 1000
LONGEST_CURSOR = 8_000
"""Characters; enough for the places of a network of 47,000 spaces."""

Key = tuple[str, ...]
"""Where an item stands in its list: site and space, site and agent, or site, agent and sensor."""

Item = TypeVar("Item")
_MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is asked for: `question` names what it is a page of, `cursor` is `next` of the page before."""

    question: bytes
    limit: int = MOST_ITEMS
    cursor: str | None = None


def question(path: str, asked: Mapping[str, str]) -> bytes:
    """Name a question: the same for each of its pages."""
    filters = sorted((name, value) for name, value in asked.items() if name not in ("limit", "cursor"))
    return repr((path, filters)).encode()


def keyed_page(keyed: Iterable[tuple[Key, Item]], page: Page) -> tuple[list[Item], str | None]:
    """Cut a page out of items in order of key; gives it with the cursor of the next, None at the end.

    Raises ValueError where the cursor is none of this question's.
    """
    mark = _mark(page.question)
    after = None if page.cursor is None else _key(_opened(page.cursor, mark))
    items: list[Item] = []
    last: Key = ()
    for key, item in keyed:
        if after is not None and key <= after:
            continue
        if len(items) == page.limit:
            return items, _closed(mark, "/".join(last).encode())
        items.append(item)
        last = key
    return items, None


def ranked_page(ranked: Iterable[tuple[Key, Item]], places: Sequence[Key], page: Page) -> tuple[list[Item], str | None]:
    """Cut a page out of items in an order that moves; `places` are all keys that could ever be given.

    Raises ValueError where the cursor is none of this question's, or of a time when there were other places.
    """
    mark = _mark(page.question, repr(places).encode())
    given = 0 if page.cursor is None else _bits(_opened(page.cursor, mark), len(places))
    number = {key: place for place, key in enumerate(places)}
    items: list[Item] = []
    for key, item in ranked:
        bit = 1 << number[key]
        if given & bit:
            continue
        if len(items) == page.limit:
            return items, _closed(mark, given.to_bytes((len(places) + 7) // 8, "little"))
        given |= bit
        items.append(item)
    return items, None


def _mark(*of: bytes) -> bytes:
    return hashlib.blake2b(b"\n".join(of), digest_size=_MARK_BYTES).digest()


def _closed(mark: bytes, where: bytes) -> str:
    return base64.urlsafe_b64encode(mark + where).decode().rstrip("=")


def _opened(cursor: str, mark: bytes) -> bytes:
    try:
        plain = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        plain = b""
    if len(plain) <= _MARK_BYTES:
        raise ValueError("this is no cursor; take `next` of the page before as it is")
    if not plain.startswith(mark):
        raise ValueError("this cursor belongs to another question, or to another layout; begin again without it")
    return plain[_MARK_BYTES:]


def _key(where: bytes) -> Key:
    parts = where.decode("ascii", "replace").split("/")
    if not all(map(is_id, parts)):
        raise ValueError("this is no cursor; take `next` of the page before as it is")
    return tuple(parts)


def _bits(where: bytes, places: int) -> int:
    given = int.from_bytes(where, "little")
    if given >> places:
        raise ValueError("this is no cursor; take `next` of the page before as it is")
    return given
