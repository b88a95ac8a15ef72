"""Expecting agents that were invited: the desk is open while somebody may still come, and then shut."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import click

from perch.adapters.broker.enrolment_clerk import Clerk
from perch.adapters.broker.enrolment_desk import DeskServer
from perch.adapters.broker.files import CERTIFICATE, BrokerFiles
from perch.adapters.broker.members import Members
from perch.adapters.instants import wall_ms
from perch.adapters.mailbox import Mailbox
from perch.commands.output import warn
from perch.contract.enrolment import Invitation
from perch.errors import PerchError
from perch.settings import Enrolment

LOOK_S = 0.5

Heard = tuple[str, PerchError | None]


def expect(
    invited: Sequence[Invitation],
    files: BrokerFiles,
    members: Members,
    enrolment: Enrolment,
    authority: bytes,
    lasts_s: float,
    is_done: Callable[[Clerk], bool],
) -> tuple[str, ...]:
    """Print invitations and wait for those who have them; gives the logins of those who did not come in time.

    Whoever waits on after all have come, until `is_done`, learns of it if somebody shows one of them again.
    """
    heard = Mailbox[Heard]()
    clocks = time.monotonic, lambda: wall_ms() // 1000
    clerk = Clerk(invited, members, enrolment, authority, clocks, lasts_s, lambda user, error: heard.put((user, error)))
    with DeskServer(enrolment.desk_port, files.folder / CERTIFICATE, clerk.answer):
        for one in invited:
            click.echo(str(one))
        many = "invitations, each for" if len(invited) > 1 else "an invitation for"
        warn(f"{many} {', '.join(one.user for one in invited)}: good for {lasts_s / 60:g} minutes, while this waits",
             "on each agent: perch enroll, and then its own")  # fmt: skip
        _listen(heard, lambda: clerk.is_used_up)
        if not (clerk.waits_for or is_done(clerk)):
            _listen_on(heard, lambda: is_done(clerk))
    return clerk.waits_for


def _listen_on(heard: Mailbox[Heard], is_done: Callable[[], bool]) -> None:
    """Listen for those who show again what was used: the rightful one, maybe, after a thief."""
    warn("all are enrolled; this waits on, to tell if somebody else has an invitation too", "Ctrl-C ends that")
    with suppress(KeyboardInterrupt):
        _listen(heard, is_done)


def _listen(heard: Mailbox[Heard], is_done: Callable[[], bool]) -> None:
    while not is_done():
        _tell(heard.take(LOOK_S))
    while heard:
        _tell(heard.take())


def _tell(heard: Heard | None) -> None:
    if heard is None:
        return
    user, error = heard
    if error is None:
        click.echo(f"{user} is enrolled.", err=True)
    else:
        warn(f"{user} {error.what}", error.remedy)
