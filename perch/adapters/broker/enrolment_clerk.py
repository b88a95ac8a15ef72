"""Who sits at the desk: answers what agents ask, and gives those that were invited their credentials."""

import hashlib
from collections.abc import Callable, Iterable

from perch.adapters.broker.enrolment_desk import Answer, Asked
from perch.adapters.broker.members import Members
from perch.contract.desk import Verdict, is_over, is_used_up, judged, opened, settled
from perch.contract.enrolment import (
    AUTHORITY_PATH,
    CREDENTIAL_PATH,
    STOLEN,
    TERMS_PATH,
    VERSION,
    Granted,
    Invitation,
    Refused,
    Request,
    Terms,
    decode,
    encode,
    hash_of,
)
from perch.errors import ContractError, PerchError
from perch.settings import Enrolment

_AGAIN = "ask for another one: perch agents token, or perch agents replace, on the server"
_SHOWN_AGAIN = "unless both were you, somebody has the invitation who should not: perch agents revoke, then token"
_REFUSALS = {
    Verdict.UNKNOWN: (403, "this invitation is not known here", f"it may have been withdrawn; {STOLEN}; {_AGAIN}"),
    Verdict.OTHER: (403, "this invitation is for another agent", "use it there, or ask for one for this agent"),
    Verdict.USED: (409, "this invitation was used already", f"if that was not you, revoke the agent; {_AGAIN}"),
    Verdict.OVER: (410, "this invitation is over", _AGAIN),
    Verdict.TOO_MANY: (429, "too many wrong invitations were shown from here", "wait a minute, then try again"),
}


class Clerk:
    """Answers at a desk that is open for some invitations; one call at a time. Secrets are kept as hashes alone.

    `heard` is called with the login of each agent that was given a credential, and with what went wrong otherwise, or
    afterwards: somebody else came with its invitation.
    """

    def __init__(
        self,
        invited: Iterable[Invitation],
        members: Members,
        enrolment: Enrolment,
        authority: bytes,
        clocks: tuple[Callable[[], float], Callable[[], int]],
        lasts_s: float,
        heard: Callable[[str, PerchError | None], None],
    ) -> None:
        listed = list(invited)
        self._names = {one.user: (one.site, one.agent) for one in listed}
        self._mono_s, self._wall_s = clocks
        self._desk = opened(((hash_of(one.secret), one.user) for one in listed), self._mono_s(), lasts_s)
        self._members, self._enrolment, self._authority, self._heard = members, enrolment, authority, heard
        self._granted: dict[bytes, Granted] = {}

    def __repr__(self) -> str:
        return f"<Clerk, waiting for {', '.join(self._desk.waits_for) or 'nobody'}>"

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The logins that were invited and have not come."""
        return self._desk.waits_for

    @property
    def is_used_up(self) -> bool:
        """Whether nobody can be given a credential any more."""
        return is_used_up(self._desk, self._mono_s())

    @property
    def is_over(self) -> bool:
        """Whether the time of all invitations is over, used or not."""
        return is_over(self._desk, self._mono_s())

    def answer(self, asked: Asked) -> Answer:
        """Answer what somebody asks."""
        match asked.method, asked.path:
            case "GET", path if path == AUTHORITY_PATH:
                return Answer(200, self._authority)
            case "GET", path if path == TERMS_PATH:
                return Answer(200, encode(self._terms()))
            case "POST", path if path == CREDENTIAL_PATH:
                return self._credential(asked)
        return _refused(404, "there is nothing here", "look at what perch agents token printed")

    def _terms(self) -> Terms:
        one = self._enrolment
        return Terms(v=VERSION, host=one.host, port=one.port, identity=one.identity)

    def _credential(self, asked: Asked) -> Answer:
        try:
            request = decode(asked.body, Request)
        except ContractError as error:
            return _refused(400, error.what, "run the perch of the server's version")
        secret, digest = hash_of(request.secret), hashlib.sha256(asked.body).digest()
        self._desk, verdict = judged(self._desk, secret, request.user, digest, asked.address, self._mono_s())
        if verdict is Verdict.AGAIN:
            return Answer(200, encode(self._granted[digest]))
        if verdict is Verdict.USED:
            what = f"was enrolled, and now its invitation is shown again, from {asked.address}"
            self._heard(request.user, PerchError(what, _SHOWN_AGAIN))
        if verdict is not Verdict.GRANT:
            return _refused(*_REFUSALS[verdict])
        return self._grant(request, secret, digest)

    def _grant(self, request: Request, secret: bytes, digest: bytes) -> Answer:
        site, agent = self._names[request.user]
        try:
            granted = self._members.enrol(site, agent, request, self._wall_s())
        except PerchError as error:
            self._heard(request.user, PerchError(f"could not be enrolled: {error.what}", error.remedy))
            status = 400 if isinstance(error, ContractError) else 503
            return _refused(status, f"the server could not do it: {error.what}", "look at what it says there")
        self._desk, self._granted[digest] = settled(self._desk, secret, digest), granted
        self._heard(request.user, None)
        return Answer(200, encode(granted))


def _refused(status: int, what: str, remedy: str) -> Answer:
    return Answer(status, encode(Refused(what=what, remedy=remedy)))
