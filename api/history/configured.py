"""The way to history that a configuration names: the collector's files, or an InfluxDB."""

from api.history.files import history_in_files
from api.history.influx import HistoryInInflux
from api.history.way import History
from perch.settings import HistoryFrom, ServerSettings


def configured_history(settings: ServerSettings) -> History:
    """Give the history of a server's sites from where its configuration says that it lies."""
    sites = {site.id: site for site in settings.sites}
    if settings.api.history is HistoryFrom.INFLUX and settings.influx is not None:
        return History.of(sites, HistoryInInflux(sites, settings.influx))
    return history_in_files(sites, settings.data)
