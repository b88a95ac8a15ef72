"""In words why a server's certificate was not accepted, and what to do."""

import ssl
from datetime import UTC, datetime

from perch.adapters.broker.certificates import Validity
from perch.errors import UnavailableError

_NOT_YET, _EXPIRED, _WRONG_NAMES, _REVOKED, _PURPOSE = 9, 10, (62, 64), 23, 26
_STRANGERS = (2, 7, 18, 19, 20, 21)
_RENEW = "renew the broker's certificate and restart the broker"


def distrusted(
    whose: str, host: str, error: ssl.SSLCertVerificationError, seen: Validity | None = None
) -> UnavailableError:
    """Say why the certificate of `whose` ("the broker at …") was refused; `seen` is when it may be used, if known."""
    code, today = error.verify_code, f"this clock says {datetime.now(UTC):%Y-%m-%d}"
    what, remedy = f"the certificate of {whose} is not accepted: {error.verify_message}", _RENEW
    if code == _EXPIRED:
        end = f" on {seen.end:%Y-%m-%d}" if seen else ""
        what, remedy = f"the certificate of {whose} ended{end}; {today}", f"{_RENEW}, or set this machine's clock"
    elif code == _NOT_YET:
        begins = f"begins only on {seen.begin:%Y-%m-%d}" if seen else "begins later"
        what = f"the certificate of {whose} {begins}; {today}"
        remedy = "set this machine's clock, or renew the broker's certificate"
    elif code in _WRONG_NAMES:
        what = f"the certificate of {whose} is not for the name {host!r}"
        remedy = "write the name that stands in the certificate as host under [broker], or renew it with this name"
    elif code in _STRANGERS:
        what = f"ca under [broker] did not sign the certificate of {whose}"
        remedy = "put the authority that signed the broker's certificate where ca under [broker] points"
    elif code == _PURPOSE:
        what = f"the certificate of {whose} is not one for a server"
        remedy = "it may be an agent's: give the broker its own, then restart the broker"
    elif code == _REVOKED:
        what = f"the certificate of {whose} was revoked"
    return UnavailableError(what, remedy)
