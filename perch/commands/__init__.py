"""The `perch` command: which subcommands there are, and how whatever goes wrong reaches the user.

Subcommands are imported when they are called, so that `perch --help` is quick and an agent needs no server packages.
"""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

import click
from click.shell_completion import CompletionItem

from perch import __version__
from perch.commands.examples import ExampleGroup
from perch.commands.output import print_error
from perch.errors import Complaint, InputError, PerchError

INTERRUPTED = 130
OWN_PACKAGES = ("perch", "sensor_agent", "collector", "api", "dashboards")


class Entry(NamedTuple):
    """Where a subcommand is found (`module:function`), what it does, and the extra that its packages come with."""

    target: str
    summary: str
    extra: str = ""


COMMANDS = {
    "demo": Entry("perch.commands.demo:demo", "Run the whole system on this machine, with simulated people.", "demo"),
    "up": Entry("perch.commands.processes:up", "Run collector and API of a one-box venue.", "server"),
    "agent": Entry("perch.commands.processes:agent", "Sense spaces on a Raspberry Pi, or replay a recording.", "agent"),
    "collector": Entry("perch.commands.processes:collector", "Store what the agents send.", "server"),
    "api": Entry("perch.commands.processes:api", "Serve live states, history and the page.", "server"),
    "sense": Entry("perch.commands.sense:sense", "Turn recorded readings into states, offline."),
    "fit": Entry("perch.commands.fit:fit_command", "Learn how sensors behave from labels of who was there."),
    "simulate": Entry("perch.commands.simulate:simulate", "Make a venue's readings with their ground truth."),
    "doctor": Entry("perch.commands.doctor:doctor", "Say what is wrong with an agent or a server, and what to do."),
    "walk": Entry("perch.commands.walk:walk", "Walk past each sensor and tick it off; name wiring mistakes.", "agent"),
    "site": Entry("perch.commands.site:site", "Check a site's configuration; say what another one changes.", "server"),
    "quarantine": Entry(
        "perch.commands.quarantine:quarantine",
        "Show messages that could not be taken in; try again or discard.",
        "server",
    ),
    "journal": Entry("perch.commands.journal:journal", "Hand a site over to another collector.", "server"),
    "projection": Entry("perch.commands.projection:projection", "Make history or InfluxDB anew.", "server"),
    "erase": Entry("perch.commands.erase:erase", "Erase what was said of a space over a period.", "server"),
    "export": Entry("perch.commands.export:export", "Write the past to a CSV or Parquet file.", "export"),
    "audit": Entry("perch.commands.audit:audit", "Say how right Perch is, by what people saw.", "server"),
    "key": Entry("perch.commands.key:key", "Make keys for readers, list them and take them back.", "server"),
    "privacy": Entry("perch.commands.privacy:privacy", "Say what is known of people; a sheet to hang up.", "server"),
    "install": Entry("perch.commands.install:install", "Write systemd units, folders and a first configuration."),
    "backup": Entry("perch.commands.backup:backup", "Back up a server while it runs.", "server"),
    "restore": Entry("perch.commands.restore:restore", "Go on from a backup on an empty server.", "server"),
    "enroll": Entry("perch.commands.enroll:enroll", "Get an agent a credential of its own, by invitation.", "agent"),
    "agents": Entry("perch.commands.agents:agents", "Invite agents, list them, put them out.", "server"),
    "support-bundle": Entry(
        "perch.commands.support_bundle:support_bundle", "Pack what somebody who helps needs to see."
    ),
    "chaos": Entry("perch.commands.chaos:chaos", "Break a whole Perch on purpose, and count.", "demo"),
    "dashboards": Entry("perch.commands.dashboards:dashboards", "Build Grafana dashboards."),
}


class LazyGroup(ExampleGroup):
    """A group whose subcommands are listed from the table and imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Give the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Import a subcommand."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.target.partition(":")
        command = getattr(import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a subcommand's name, or an option, without importing any."""
        names = [CompletionItem(name, help=entry.summary) for name, entry in COMMANDS.items()]
        fitting = [item for item in names if item.value.startswith(incomplete)]
        return [*fitting, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="perch", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show tracebacks; may stand anywhere in the line.")
def perch(debug: bool) -> None:
    """Example: perch demo

    Perch knows which desks and rooms are free, and says so when it does not know.
    """
    del debug  # taken from the line by `run`, so that it may stand behind the subcommand too


def main() -> NoReturn:
    """Run the command line of this process, and exit with its code."""
    code = run(sys.argv[1:])
    _quiet_exit()
    sys.exit(code)


def run(arguments: Sequence[str], group: click.Group = perch) -> int:
    """Run a command line and give its exit code: 0 done, 1 failed, 2 wrong usage, configuration or input file."""
    debug, as_json = "--debug" in arguments, "--json" in arguments
    words = [word for word in arguments if word != "--debug"]
    try:
        result = group.main(words, "perch", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    except click.ClickException as error:
        if as_json:
            print_error(InputError((Complaint("command line", error.format_message(), "see --help"),)), as_json=True)
        else:
            error.show()
        return error.exit_code
    except Exception as error:
        if debug:
            traceback.print_exc()
        known = _known(error, words)
        print_error(known, as_json=as_json)
        return known.exit_code
    return result if isinstance(result, int) else 0


def _known(error: Exception, words: Sequence[str]) -> PerchError:
    """Put into words what went wrong and what to do."""
    look = "run again with --debug to see where"
    if isinstance(error, PerchError):
        return error
    if isinstance(error, ModuleNotFoundError) and (error.name or "perch").split(".")[0] not in OWN_PACKAGES:
        extras = [f"[{COMMANDS[word].extra}]" for word in words if word in COMMANDS and COMMANDS[word].extra]
        remedy = f"install it with: pip install 'perch-occupancy{''.join(extras[:1])}'"
        return PerchError(f"this needs the package {error.name}, which is not installed", remedy)
    if isinstance(error, OSError) and error.strerror:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = error.strerror + (f": {error.filename}" if error.filename else "")
        return PerchError(what, "make room there, then run it again" if full else look)
    return PerchError(f"unexpected {type(error).__name__}: {error}", look)


def _quiet_exit() -> None:
    """Leave nothing for the interpreter to write at its end, where a reader that is gone would be complained of."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
