"""The laws of `docs/architecture.md` as functions from source texts to complaints; `test_architecture.py` applies them.

A `Tree` maps a module's dotted name to its source. Every import counts wherever it stands: inside a function, and under
`TYPE_CHECKING` too; only the law against cycles looks at module level alone.
"""

import ast
import functools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

Tree = Mapping[str, str]
Law = Callable[[Tree], list[str]]

SHELLS = ("sensor_agent", "collector", "api", "dashboards")
PACKAGES = ("perch", *SHELLS)
PURE_PACKAGES = ("perch.sensing", "perch.delivery", "perch.history", "perch.watching")
GROUND = ("perch.errors", "perch.model", "perch.codes")
PURE_ROOMS = (*GROUND, "perch.contract", *PURE_PACKAGES)
MIDDLE = (*PURE_PACKAGES, "perch.contract", "perch.settings", "perch.venue")

FLOORS: tuple[tuple[str, ...], ...] = (
    ("perch.errors",),
    ("perch.model",),
    ("perch.codes",),
    MIDDLE,
    ("perch.adapters",),
    ("perch.doctor",),
    SHELLS,
    ("perch.chaos",),
    ("perch.commands",),
)
"""Rooms from the ground up: arrows point down."""

SIDEWAYS = {"perch.venue": MIDDLE}
"""Arrows between rooms of one floor: the simulated venue may use all."""

PURE_STANDARD_LIBRARY = {
    *(
        "abc",
        "array",
        "base64",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
    ),
    *("fractions", "functools", "hashlib", "heapq", "itertools", "math", "numbers", "operator", "re", "statistics"),
    *("string", "struct", "textwrap", "types", "typing", "unicodedata", "zoneinfo"),
}
"""What pure rooms may use of the standard library. `zoneinfo` reads files, but only the world's own table of times."""

THIRD_PARTY_OF_PURE_ROOMS = {"perch.contract": {"msgspec"}, "perch.history": {"numpy"}}

IMPURE_CALLS = re.compile(
    r"(?:(?:.*\.)?(?:datetime|date)\.(?:now|utcnow|today)|open|input|print|exec|eval|(?:.*\.)?random\.(?:rand\w*|seed))$"
)

OWNERS = {
    "gpiozero": ("sensor_agent",),
    "sensirion_i2c_scd4x": ("sensor_agent",),
    "fastapi": ("api",),
    "starlette": ("api",),
    "paho": ("perch.adapters",),
    "influxdb_client": ("perch.adapters",),
    "pyarrow": ("perch.adapters",),
    "prometheus_client": ("perch.adapters",),
    "grafana_api": ("dashboards",),
    "click": ("perch.commands",),
}
"""Third parties that one room keeps to itself."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import: who imports what (dotted, down to the module), in which line, and whether it runs at import."""

    importer: str
    imported: str
    line: int
    at_import: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def is_in(module: str, room: str) -> bool:
    """Tell whether a module is a room or lies in it."""
    return module == room or module.startswith(room + ".")


def room_of(module: str) -> str | None:
    """Name the room that a module lies in; None for `perch` itself and for what is not ours."""
    return next((room for floor in FLOORS for room in floor if is_in(module, room)), None)


def floor_of(room: str) -> int:
    """Number a room's floor from the ground."""
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


class Named(NamedTuple):
    """An import as it is written: names, and where they come from (None: they are modules themselves)."""

    names: tuple[str, ...]
    origin: str | None
    level: int
    line: int
    at_import: bool


class Call(NamedTuple):
    """A call: of what (dotted), with a text as its first argument or None, and whether it is given anything."""

    name: str
    text: str | None
    is_given: bool
    line: int
    at_import: bool


@functools.cache
def _read(source: str) -> tuple[tuple[Named, ...], tuple[Call, ...]]:
    """Give every import and every call of a module."""
    named: list[Named] = []
    calls: list[Call] = []
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(source), True)]
    while waiting:
        node, at_import = waiting.pop()
        match node:
            case ast.Import(names=names, lineno=line):
                named += [Named((alias.name,), None, 0, line, at_import) for alias in names]
            case ast.ImportFrom(module=origin, names=names, level=level, lineno=line):
                named.append(Named(tuple(alias.name for alias in names), origin or "", level, line, at_import))
            case ast.Call(func=function, args=given, keywords=keywords, lineno=line):
                text = given[0].value if given and isinstance(given[0], ast.Constant) else None
                told = text if isinstance(text, str) else None
                calls.append(Call(_dotted(function), told, bool(given or keywords), line, at_import))
        inner = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        waiting += [(child, inner) for child in ast.iter_child_nodes(node)]
    return tuple(named), tuple(calls)


def imports(tree: Tree) -> Iterator[Import]:
    """Give every import of every module."""
    for module, source in tree.items():
        named, calls = _read(source)
        for one in named:
            for imported in _imported(one, tree):
                yield Import(module, imported, one.line, one.at_import)
        for call in calls:
            if call.text is not None and call.name.endswith(("import_module", "__import__")):
                yield Import(module, call.text, call.line, call.at_import)


def _imported(one: Named, tree: Tree) -> Iterable[str]:
    if one.origin is None:
        return one.names
    if one.level:
        return ["a relative module"]
    inner = [f"{one.origin}.{name}" for name in one.names]
    return sorted({name if name in tree else one.origin for name in inner})


def _dotted(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
    return ""


def no_shell_imports_a_shell(tree: Tree) -> list[str]:
    """Shells meet over MQTT, files and InfluxDB only."""
    return [
        str(found)
        for found in imports(tree)
        for mine in SHELLS
        for other in SHELLS
        if mine != other and is_in(found.importer, mine) and is_in(found.imported, other)
    ]


def arrows_point_down(tree: Tree) -> list[str]:
    """No room imports from a floor above, nor from a neighbour, save where `SIDEWAYS` says so."""
    return [str(found) for found in imports(tree) if not _points_down(found)]


def _points_down(found: Import) -> bool:
    mine, other = room_of(found.importer), room_of(found.imported)
    if other is None or mine == other:
        return True
    if mine is None:
        return False  # `perch/__init__.py` is everybody's ground
    if floor_of(mine) == floor_of(other):
        return other in SIDEWAYS.get(mine, ())
    return floor_of(mine) > floor_of(other)


def pure_packages_keep_apart(tree: Tree) -> list[str]:
    """Sensing, delivery and history know the ground and themselves, not each other nor the wire."""
    return [
        str(found)
        for found in imports(tree)
        for mine in PURE_PACKAGES
        if is_in(found.importer, mine) and is_in(found.imported, "perch")
        if not any(is_in(found.imported, room) for room in (mine, *GROUND))
    ]


def pure_rooms_import_nothing_impure(tree: Tree) -> list[str]:
    """Pure rooms use the listed part of the standard library, msgspec in the contract and NumPy in history."""
    return [
        f"{found}, which is not on the list of pure modules"
        for found in imports(tree)
        for room in PURE_ROOMS
        if is_in(found.importer, room) and not _is_pure(found.imported, room)
    ]


def _is_pure(imported: str, room: str) -> bool:
    top = imported.partition(".")[0]
    return top in PURE_STANDARD_LIBRARY | THIRD_PARTY_OF_PURE_ROOMS.get(room, set()) | {"perch"}


def pure_rooms_call_nothing_impure(tree: Tree) -> list[str]:
    """Pure rooms read no clock, open no file, print nothing and draw no unseeded random number."""
    return [
        f"{module}:{call.line} calls {call.name}"
        for module, source in tree.items()
        if any(is_in(module, room) for room in PURE_ROOMS)
        for call in _read(source)[1]
        if _is_impure(call)
    ]


def _is_impure(call: Call) -> bool:
    unseeded = call.name.endswith("default_rng") and not call.is_given
    return unseeded or IMPURE_CALLS.match(call.name) is not None


def third_parties_stay_with_their_owner(tree: Tree) -> list[str]:
    """The only importer of gpiozero is the sensor agent, of FastAPI the API, and so on."""
    return [
        f"{found}, which belongs to {' and '.join(owners)}"
        for found in imports(tree)
        for third_party, owners in OWNERS.items()
        if is_in(found.imported, third_party) and not any(is_in(found.importer, owner) for owner in owners)
    ]


def no_import_cycles(tree: Tree) -> list[str]:
    """No module needs itself to be imported, over however many others."""
    graph = {module: set[str]() for module in tree}
    for found in imports(tree):
        if found.at_import and found.imported in graph and found.imported != found.importer:
            graph[found.importer].add(found.imported)
    return [f"{module} imports itself, by way of others" for module in graph if module in _reached(graph, module)]


def _reached(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        if (module := waiting.pop()) not in seen:
            seen.add(module)
            waiting.extend(graph[module])
    return seen


def nothing_undeclared_is_imported(tree: Tree, declared: Callable[[str], set[str]]) -> list[str]:
    """Every third party that a module imports is declared in `pyproject.toml` for the machine that it runs on."""
    ours = {module.partition(".")[0] for module in tree} | sys.stdlib_module_names
    return [
        f"{found}, which pyproject.toml does not declare for it"
        for found in imports(tree)
        if (top := found.imported.partition(".")[0]) not in ours and top not in declared(found.importer)
    ]


def tests_are_honest(tree: Tree) -> list[str]:
    """No test mocks, patches or sleeps: fakes are product, and tests wait for conditions."""
    by_import = [str(found) for found in imports(tree) if found.imported in {"mock", "unittest.mock"}]
    by_call = [
        f"{module}:{call.line} calls {call.name}"
        for module, source in tree.items()
        for call in _read(source)[1]
        if _is_dishonest(call.name)
    ]
    return by_import + by_call


def _is_dishonest(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last in {"sleep", "wait_for_timeout", "Mock", "MagicMock", "AsyncMock", "patch"} or name in {
        "monkeypatch.setattr",
        "monkeypatch.setitem",
        "monkeypatch.delattr",
    }


LAWS: tuple[Law, ...] = (
    no_shell_imports_a_shell,
    arrows_point_down,
    pure_packages_keep_apart,
    pure_rooms_import_nothing_impure,
    pure_rooms_call_nothing_impure,
    third_parties_stay_with_their_owner,
    no_import_cycles,
)
"""The laws that hold for the whole product."""
