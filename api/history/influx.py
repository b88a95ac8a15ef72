"""History where there is only an InfluxDB: the collector and its files are on another machine."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from api.operations import Check
from perch.adapters.influx.history import InfluxHistory
from perch.history.source import HistorySource
from perch.model import Site
from perch.settings import Influx


class HistoryInInflux:
    """A store that answers as the collector's files do, out of the rows of an InfluxDB; raises UnavailableError."""

    def __init__(self, sites: Mapping[str, Site], influx: Influx) -> None:
        self._sites = sites
        self._influx = InfluxHistory(influx)

    def __repr__(self) -> str:
        return f"<HistoryInInflux: {self._influx!r}>"

    def source(self) -> HistorySource:
        """Give what counts of the past."""
        return self._influx

    def caveats(self, from_ms: int) -> tuple[str, ...]:
        """Say where a question begins before all that InfluxDB keeps."""
        kept_ms = self._influx.kept_from_ms()
        if kept_ms is None or from_ms >= kept_ms:
            return ()
        day = datetime.fromtimestamp(kept_ms / 1000, UTC).date()
        return (f"InfluxDB keeps all rows only from {day} (UTC) on; what was before may be missing here.",)

    def checks(self) -> Sequence[tuple[str, Check]]:
        """Name the parts of which answers are made."""
        return (("influxdb", self._check),)

    def close(self) -> None:
        """Have nothing to close."""

    def _check(self) -> str:
        last_ms = [horizon.last_ms for site in self._sites if (horizon := self._influx.horizon(site)) is not None]
        if not last_ms:
            return "no history of these sites yet"
        return f"history up to {datetime.fromtimestamp(max(last_ms) / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
