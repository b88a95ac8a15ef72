"""An `agent.toml` with another `[broker]` in it, and everything else as somebody wrote it."""

import tomllib
from collections.abc import Mapping

from perch.errors import Complaint, InputError
from perch.settings.amended import blocks
from perch.settings.written import toml

TABLE = "broker"
GIVEN = ("host", "port", "ca", "username", "password_file", "certificate", "key")
"""What an enrolment says of a broker, and takes out where it does not say it."""


def new_agent(site: str, agent: str, data: str, broker: Mapping[str, object]) -> str:
    """Write the beginning of an `agent.toml`; its spaces and sensors are for whoever wires them."""
    return (
        f"{toml({'site': site, 'agent': agent, 'data': data})}\n[{TABLE}]\n{toml(broker)}\n"
        "# What hangs on which pin:\n#\n"
        '# [[space]]\n# id = "d01"\n# kind = "desk"\n#\n'
        '# [[sensor]]\n# id = "pir1"\n# kind = "motion"\n# space = "d01"\n# pin = 17\n'
    )


def with_broker(text: str, broker: Mapping[str, object], where: str) -> str:
    """Put another broker into an `agent.toml`; raises InputError where its `[broker]` cannot be told line by line."""
    before = tomllib.loads(text)
    kept = {key: value for key, value in before.get(TABLE, {}).items() if key not in GIVEN}
    table = {**broker, **kept}
    written = _replaced(text, f"[{TABLE}]\n{toml(table)}")
    if _values(written) != {**before, TABLE: table}:
        what = "[broker] cannot be replaced here without changing something else"
        raise InputError((Complaint(where, what, "write it as a line [broker] with its keys below, each on a line"),))
    return written


def _replaced(text: str, table: str) -> str:
    parts, new = blocks(text.removesuffix("\n").split("\n")), table.rstrip("\n").split("\n")
    top, *others = list(parts)
    lines = [*top.lines]
    if not any(block.name == TABLE for block in others):
        lines += ["", *new]
    for block in others:
        lines += [*block.above, *(new if block.name == TABLE else block.lines)]
    return "".join(f"{line}\n" for line in lines)


def _values(text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
