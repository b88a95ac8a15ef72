"""Tables of keys and values that are read with every complaint collected, and unknown keys refused by name."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from perch.errors import Complaint, InputError
from perch.settings.reading import Reader, RefusedError, shown

MOST_NAMED = 20

T = TypeVar("T")
D = TypeVar("D")


class Complaints:
    """Everything found wrong so far, in the order in which it was found."""

    def __init__(self) -> None:
        self._found: list[Complaint] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: str, what: str, remedy: str) -> None:
        """Put one more on the list."""
        self._found.append(Complaint(where, what, remedy))

    def take_over(self, error: InputError) -> None:
        """Add what was found wrong in another file."""
        self._found.extend(error.complaints)

    def settle(self) -> None:
        """Raise InputError with all of them, if there are any."""
        if self._found:
            raise InputError(tuple(self._found))


class Table:
    """One table of a file, or one row of a CSV file: whatever nobody asked for is refused by `finish`.

    `place` says where it stands (`site.toml: [[space]][2]`). Where `variable` is set, an environment variable of that
    name, an underscore and the key in capitals is taken instead of what the file says. With `worded` all values are
    texts, as in CSV.
    """

    def __init__(
        self,
        values: Mapping[str, object],
        place: str,
        complaints: Complaints,
        *,
        variable: str = "",
        environment: Mapping[str, str] | None = None,
        worded: bool = False,
    ) -> None:
        self._values = values
        self._place = place
        self._complaints = complaints
        self._variable = variable
        self._environment = environment or {}
        self._worded = worded
        self._asked: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._values or bool(self._override(key))

    def __repr__(self) -> str:
        return f"Table({self._place})"

    def need(self, key: str, read: Reader[T], instead: T) -> T:
        """Read what must be there; where it is not there or wrong, complain and give `instead`."""
        if key not in self:
            self._asked.add(key)
            self.complain(key, "is missing", "add it")
            return instead
        return self.take(key, read, instead)

    def take(self, key: str, read: Reader[T], default: D) -> T | D:
        """Read what may be left out; where it is wrong, complain and give the default."""
        self._asked.add(key)
        if key not in self:
            return default
        override = self._override(key)
        try:
            if override:
                return _read_words(override, read)
            value = self._values[key]
            return _read_words(value, read) if self._worded and isinstance(value, str) else read(value)
        except RefusedError as refused:
            where = f"environment variable {self._variable_of(key)}" if override else self.where(key)
            self._complaints.add(where, refused.what, refused.remedy)
            return default

    def table(self, key: str) -> "Table":
        """Open a table within this one; an empty one where it is left out."""
        self._asked.add(key)
        values = self._values.get(key, {})
        if not isinstance(values, dict):
            self.complain(key, f"{shown(values)} is no table", f"write a line [{key}] and its keys below it")
            values = {}
        place = f"{self._place}: [{key}]"
        variable = self._variable_of(key) if self._variable else ""
        return Table(values, place, self._complaints, variable=variable, environment=self._environment)

    def tables(self, key: str, *, needed: bool = False) -> list["Table"]:
        """Open each of the tables of one name, in order; places count from 1."""
        self._asked.add(key)
        rows = self._values.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.complain(key, f"{shown(rows)} is no list of tables", f"write a line [[{key}]] above each of them")
            return []
        if needed and not rows:
            self.complain(f"[[{key}]]", "there is none", "add at least one")
        places = (f"{self._place}: [[{key}]][{number}]" for number in range(1, len(rows) + 1))
        return [Table(row, place, self._complaints) for row, place in zip(rows, places, strict=True)]

    def ignore(self, *keys: str) -> None:
        """Let these keys pass unread: they belong to another reader of the same file."""
        self._asked.update(keys)

    def where(self, key: str) -> str:
        """Say where a key stands."""
        return f"{self._place}.{key}" if self._place.endswith("]") else f"{self._place}: {key}"

    def complain(self, key: str, what: str, remedy: str) -> None:
        """Say that something is wrong with a key, or with the whole table where the key is empty."""
        self._complaints.add(self.where(key) if key else self._place, what, remedy)

    def finish(self) -> None:
        """Refuse every key that nobody asked for: the first `MOST_NAMED` by name, the others as a number."""
        unknown = [key for key in self._values if key not in self._asked]
        known = ", ".join(sorted(self._asked))
        for key in unknown[:MOST_NAMED]:
            close = difflib.get_close_matches(key, self._asked, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"known are {known}"
            self.complain(shown(key)[1:-1], "is not known here", remedy)
        if more := len(unknown[MOST_NAMED:]):
            self.complain("", f"{more} more keys are not known here", "is it the right file?")

    def _variable_of(self, key: str) -> str:
        return f"{self._variable}_{key}".upper()

    def _override(self, key: str) -> str:
        return self._environment.get(self._variable_of(key), "") if self._variable else ""


def refuse_twice(tables: Sequence[Table], rows: Sequence[T], key: str, value_of: Callable[[T], object]) -> None:
    """Complain of each row whose value of a key stood in an earlier row already; nothing and "" do not count."""
    first: dict[object, int] = {}
    for number, (table, row) in enumerate(zip(tables, rows, strict=True), 1):
        value = value_of(row)
        if value in (None, ""):
            continue
        if value in first:
            table.complain(key, f"{value} is taken by number {first[value]} already", "give each its own")
        first.setdefault(value, number)


def _read_words(words: str, read: Reader[T]) -> T:
    """Read a text, and if it will not do as a text then as the number or truth value that it spells."""
    try:
        return read(words)
    except RefusedError:
        value = _spelled(words)
        if value is None:
            raise
        return read(value)


def _spelled(words: str) -> object:
    if words in ("true", "false"):
        return words == "true"
    for number in (int, float):
        try:
            return number(words) if words.isascii() and "_" not in words else None
        except ValueError:
            continue
    return None
