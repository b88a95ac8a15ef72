"""Giving agents their credentials, and taking them back: in the files, at the broker, and for whoever is connected."""

import threading
from contextlib import suppress
from datetime import datetime

from perch.adapters.broker.farewell import last_starts, say_gone
from perch.adapters.broker.files import BrokerFiles
from perch.adapters.broker.reload import READ_S, await_reading, put_out, tell
from perch.contract.credentials import is_kept
from perch.contract.enrolment import VERSION, Granted, Request
from perch.contract.roster import Member, Roster, with_member, without_member
from perch.contract.topics import user_name
from perch.errors import ContractError, PerchError
from perch.model import Identity
from perch.settings import Broker, Enrolment


class Members:
    """The agents that may come in, at a broker that is told of each change; raises PerchError.

    A broker that has not read its files within `read_s` counts as one that does not.
    """

    def __init__(self, files: BrokerFiles, enrolment: Enrolment, broker: Broker, read_s: float = READ_S) -> None:
        self._files, self._enrolment, self._broker, self._read_s = files, enrolment, broker, read_s
        self._pause = threading.Event()

    def __repr__(self) -> str:
        return f"<Members of {self._files!r}>"

    def prepare(self, name: str, now: datetime) -> bool:
        """Make what is missing, and write all files anew; tells whether the broker has to be started anew for that."""
        with self._files.alone():
            roster = self._files.roster()
            self._files.prepare(name, now)
            return self._files.write(roster)

    def read_by_broker(self) -> None:
        """Tell the broker to read its files, and wait until it has."""
        tell(self._enrolment)
        await_reading(self._files.proof, self._pause.wait, self._read_s)

    def enrol(self, site: str, agent: str, asked: Request, now_s: int) -> Granted:
        """Give an agent the credential that it asks for, in place of what it had; where that fails nothing changes."""
        user = user_name(site, agent)
        with self._files.alone():
            before = self._files.roster()
            certificate = None
            member = Member(site=site, agent=agent, since_s=now_s, kept=asked.kept)
            if self._enrolment.identity is Identity.CERTIFICATE:
                signed = self._files.authority.sign_agent(_request_in(asked), user)
                certificate = signed.pem
                member = Member(site=site, agent=agent, since_s=now_s, serial=signed.serial)
            elif asked.kept is None or not is_kept(asked.kept):
                raise ContractError("bad-enrolment", "what is to be kept of the password is missing, or is none")
            self._change(before, with_member(before, member))
            if user in before.members:
                put_out(self._broker, user)
        return Granted(v=VERSION, user=user, certificate=certificate)

    def revoke(self, site: str, agent: str, now_s: int) -> None:
        """Take an agent's credential back, end its connection, and let readers know; the files say so in any case."""
        user = user_name(site, agent)
        with self._files.alone():
            starts = last_starts(self._broker, site, agent)  # afterwards nobody is shown what it had said
            self._files.write(without_member(self._files.roster(), user, now_s))
            self.read_by_broker()
            put_out(self._broker, user)
            say_gone(self._files.proof, site, agent, starts)

    def _change(self, before: Roster, after: Roster) -> None:
        self._files.write(after)
        try:
            self.read_by_broker()
        except PerchError:
            self._files.write(before)
            with suppress(PerchError):
                tell(self._enrolment)
            raise


def _request_in(asked: Request) -> str:
    if asked.request is None:
        raise ContractError("bad-enrolment", "the request for a certificate is missing")
    return asked.request
