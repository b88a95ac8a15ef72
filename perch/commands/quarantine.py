"""`perch quarantine`: what could not be taken in, another try, and the end of it."""

from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from perch.adapters.errands import Answer, Discard, Replay
from perch.adapters.quarantine.reader import Quarantined, QuarantineReader
from perch.commands.errands import have_done, show_progress
from perch.commands.examples import ExampleCommand, ExampleGroup
from perch.commands.output import one_line, print_json, print_table, warn
from perch.errors import Complaint, InputError, StorageError
from perch.settings import ServerSettings, load_server

WHY_SHOWN, EXCERPT_SHOWN = 60, 48
REFUSALS_SHOWN = 20

_config = click.option("--config", required=True, type=click.Path(path_type=Path), help="The server's perch.toml.")
_code = click.option("--code", help="Only messages of this code, as undecodable or conflict.")
_agent = click.option("--agent", metavar="SITE/AGENT", help="Only messages of this agent.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")


@click.group(cls=ExampleGroup)
def quarantine() -> None:
    """Example: perch quarantine list --config perch.toml

    Look at the messages that the collector could not take in, try them again, or let them go.
    """


@quarantine.command("list", cls=ExampleCommand)
@_config
@_code
@_agent
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="So many, the newest first.")
@_json
def list_(config: Path, code: str | None, agent: str | None, limit: int, as_json: bool) -> None:
    """Example: perch quarantine list --config perch.toml --code conflict

    List messages, the newest first: when each came, from whom, why it was not taken in, and how it begins.
    """
    with _opened(load_server(config)) as reader:
        messages = reader.newest(limit, code=code, agent=agent)
        count, dropped = reader.count(code=code, agent=agent), reader.dropped()
    if as_json:
        print_json({"items": [_told(message) for message in messages], "count": count, "dropped": dropped})
        return
    if not messages:
        click.echo("Nothing is in quarantine." if code is None and agent is None else "No such message is there.")
        return
    header = ("id", "received (UTC)", "code", "agent", "bytes", "why", "payload")
    print_table(header, map(_row, messages))
    if count > len(messages):
        click.echo(f"… and {count - len(messages)} older ones: --limit shows more")


_ids = click.argument("ids", nargs=-1, type=int, metavar="[ID]...")
_all = click.option("--all", "everything", is_flag=True, help="All messages.")


@quarantine.command(cls=ExampleCommand)
@_ids
@_config
@_code
@_agent
@_all
@_json
def replay(
    ids: tuple[int, ...], config: Path, code: str | None, agent: str | None, everything: bool, as_json: bool
) -> None:
    """Example: perch quarantine replay --code undecodable --config perch.toml

    Take messages in once more, after an upgrade that can read them or once a layout names their spaces. What can be
    stored is stored, once as ever, and leaves the quarantine; the rest stays (exit code 1 if that
    is all of them). The collector may run or not.
    """
    settings, chosen = _asked(ids, config, code, agent, everything)
    answer = have_done(settings, Replay(chosen), show_progress("messages"))
    if as_json:
        print_json(_outcome(answer))
    else:
        _say(answer)
    if answer.total and len(answer.refused) == answer.total:
        raise SystemExit(1)


@quarantine.command(cls=ExampleCommand)
@_ids
@_config
@_code
@_agent
@_all
@_json
def discard(
    ids: tuple[int, ...], config: Path, code: str | None, agent: str | None, everything: bool, as_json: bool
) -> None:
    """Example: perch quarantine discard --code undecodable --config perch.toml

    Let messages go for good: nobody is asked, and they cannot be had back. What they counted stays counted. Exit code 1
    if none of them was there any more. The collector may run or not.
    """
    settings, chosen = _asked(ids, config, code, agent, everything)
    answer = have_done(settings, Discard(chosen), show_progress("messages"))
    discarded = answer.total - len(answer.refused)
    if as_json:
        print_json({"messages": answer.total, "discarded": discarded})
    else:
        click.echo(f"{discarded} of {_messages(answer.total)} left the quarantine for good.")
    if answer.total and not discarded:
        raise SystemExit(1)


def _asked(
    ids: tuple[int, ...], config: Path, code: str | None, agent: str | None, everything: bool
) -> tuple[ServerSettings, tuple[int, ...]]:
    """Give the settings and the messages meant; raises InputError."""
    if bool(ids) == bool(everything or code or agent):
        raise click.UsageError("Name messages by their ids, or say which: --code, --agent or --all.")
    settings = load_server(config)
    return settings, _chosen(settings, ids, code, agent)


def _messages(number: int) -> str:
    return f"{number} message" + ("" if number == 1 else "s")


def _opened(settings: ServerSettings) -> QuarantineReader:
    path = settings.data / "quarantine.db"
    if not path.exists():
        raise StorageError(f"no collector has ever written in {settings.data}", "check data in perch.toml")
    return QuarantineReader(path)


def _chosen(settings: ServerSettings, ids: Sequence[int], code: str | None, agent: str | None) -> tuple[int, ...]:
    """Give the ids of the messages meant; raises InputError for ids that are not there."""
    with _opened(settings) as reader:
        there = reader.ids(code=code, agent=agent)
    if not there and not ids and (code or agent):
        what = " and ".join(filter(None, (code and f"code {code}", agent and f"agent {agent}")))
        remedy = "perch quarantine list names the codes and agents that there are"
        raise InputError((Complaint(what, "no message of the quarantine is of it", remedy),))
    if missing := sorted(set(ids).difference(there)):
        raise InputError(
            tuple(
                Complaint(f"message {number}", "is not in the quarantine", "perch quarantine list names those that are")
                for number in missing
            )
        )
    return tuple(sorted(set(ids))) if ids else tuple(there)


def _row(message: Quarantined) -> tuple[object, ...]:
    return (
        message.id,
        f"{_moment(message):%Y-%m-%d %H:%M:%S}",
        message.code,
        message.agent or None,
        len(message.payload) + message.cut,
        _cut(message.why, WHY_SHOWN) + (f" (came {message.times} times)" if message.times > 1 else ""),
        _cut(_readable(message.payload), EXCERPT_SHOWN),
    )


def _told(message: Quarantined) -> dict[str, Any]:
    return {
        "id": message.id,
        "received": _moment(message).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "code": message.code,
        "why": message.why,
        "agent": message.agent or None,
        "topic": message.topic,
        "times": message.times,
        "bytes": len(message.payload) + message.cut,
        "excerpt": _cut(_readable(message.payload), EXCERPT_SHOWN),
        "payload_base64": b64encode(message.payload).decode(),
    }


def _outcome(answer: Answer) -> dict[str, Any]:
    refused = [{"id": one.id, "code": one.code, "why": one.why} for one in answer.refused]
    taken_in = answer.total - len(refused)
    return {
        "messages": answer.total,
        "taken_in": taken_in,
        "stored": answer.stored,
        "known": answer.known,
        "stay": refused,
    }


def _say(answer: Answer) -> None:
    stay = len(answer.refused)
    click.echo(
        f"{answer.total - stay} of {answer.total} messages were taken in: {answer.stored} events stored, "
        f"{answer.known} were known already."
    )
    for one in answer.refused[:REFUSALS_SHOWN]:
        warn(f"message {one.id} stays, {one.code}: {one.why}")
    if stay > REFUSALS_SHOWN:
        warn(f"{stay - REFUSALS_SHOWN} more stay", "--json names them all")


def _moment(message: Quarantined) -> datetime:
    return datetime.fromtimestamp(message.received_ms / 1000, UTC)


def _readable(payload: bytes) -> str:
    return one_line(payload[: 4 * EXCERPT_SHOWN].decode("utf-8", "backslashreplace"))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
