"""An agent's own certificate: its end is known long before, and told while there is time to replace it."""

from datetime import datetime, timedelta

from perch.adapters.broker.certificates import validities
from perch.adapters.instants import wall_ms
from perch.errors import StorageError
from perch.settings import Broker

SOON_MS = timedelta(days=30) // timedelta(milliseconds=1)


class Credential:
    """Looks at the certificate that is shown to a broker, where one is; `name` is the agent's, for what to do."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._certificate, self._name = broker.certificate, name
        self._end: datetime | None = None

    def __repr__(self) -> str:
        return f"<Credential of {self._name}, until {self._end}>"

    def look(self) -> None:
        """Read until when it holds; it may be another one since."""
        try:
            self._end = None if self._certificate is None else validities(self._certificate)[0].end
        except StorageError:  # whoever connects with it says so
            self._end = None

    @property
    def trouble(self) -> str | None:
        """That it ends soon, with what to do; None where it does not."""
        if self._end is None or self._end.timestamp() * 1000 - wall_ms() > SOON_MS:
            return None
        day = f"{self._end:%Y-%m-%d}"
        return f"its certificate ends on {day}, and nothing is delivered then (perch agents replace {self._name})"
