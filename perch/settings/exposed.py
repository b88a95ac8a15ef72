"""`[metrics]`: where a process shows its metrics, if it does."""

from perch.settings.reading import text, whole
from perch.settings.table import Table
from perch.settings.values import MetricsAt


def read_metrics(table: Table) -> MetricsAt | None:
    """Read where; None where there is no port."""
    port, host = table.take("port", whole(1, 65_535), None), table.take("host", text, "127.0.0.1")
    table.finish()
    return None if port is None else MetricsAt(port, host)
