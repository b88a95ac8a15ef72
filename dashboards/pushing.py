"""Putting the dashboards into a running Grafana over its HTTP API: nothing that is there is overwritten unasked.

A folder and a dashboard are known by their uid. What differs from the code is changed only where that is wanted, and
only from the version that was looked at: Grafana refuses (412) what somebody changed in between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit

from dashboards.building import all_dashboards
from dashboards.panels import SPACES, Json
from perch.errors import PerchError, UnavailableError

FOLDERS = {"perch": "Perch", "perch-spaces": "Perch spaces"}
"""Single spaces have a folder of their own, so that it can have permissions of its own."""

GIVEN_BY_GRAFANA = ("id", "version")
TIMEOUT_S = 15.0


class Outcome(StrEnum):
    """What became of a dashboard."""

    CREATED = "created"
    UPDATED = "updated"
    CURRENT = "is current"
    KEPT = "differs, and was left as it is"


@dataclass(frozen=True, slots=True)
class Pushed:
    """A dashboard, and what became of it."""

    title: str
    outcome: Outcome


class Grafana(Protocol):
    """What is asked of Grafana: None where there is no such thing; raises PerchError where it refuses."""

    def folder(self, uid: str) -> Json | None:
        """Give a folder."""
        ...

    def make_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        ...

    def dashboard(self, uid: str) -> Json | None:
        """Give a dashboard as it is, with its version."""
        ...

    def put(self, dashboard: Json, folder: str) -> None:
        """Create a dashboard, or change it from the version that it names."""
        ...


def push(grafana: Grafana, *, overwrite: bool, spaces: bool) -> Iterator[Pushed]:
    """Bring Grafana's dashboards up to date one by one; those of single spaces only where asked for."""
    for dashboard in all_dashboards():
        of_spaces = str(dashboard["uid"]) == SPACES["uid"]
        if spaces or not of_spaces:
            folder = "perch-spaces" if of_spaces else "perch"
            yield Pushed(dashboard["title"], _push_one(grafana, dashboard, folder, overwrite))


def _push_one(grafana: Grafana, dashboard: Json, folder: str, overwrite: bool) -> Outcome:
    if grafana.folder(folder) is None:
        grafana.make_folder(folder, FOLDERS[folder])
    there = grafana.dashboard(dashboard["uid"])
    if there is None:
        grafana.put({**dashboard, "version": 0}, folder)
        return Outcome.CREATED
    if _said(there) == _said(dashboard):
        return Outcome.CURRENT
    if not overwrite:
        return Outcome.KEPT
    grafana.put({**dashboard, "version": there["version"]}, folder)
    return Outcome.UPDATED


def _said(dashboard: Json) -> Json:
    return {name: value for name, value in dashboard.items() if name not in GIVEN_BY_GRAFANA}


class GrafanaByApi:
    """A Grafana by the library `grafana-api`, which knows dashboards and folders by uid as Grafana 10 to 13 do."""

    def __init__(self, url: str, token: str, ca: str | None = None) -> None:
        self._url = url
        self._face = _face(url, token, ca)

    def __repr__(self) -> str:
        return f"<GrafanaByApi at {self._url}>"

    def folder(self, uid: str) -> Json | None:
        """Give a folder."""
        return self._ask(self._face.folder.get_folder, uid)

    def make_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._ask(self._face.folder.create_folder, title, uid)

    def dashboard(self, uid: str) -> Json | None:
        """Give a dashboard as it is, with its version."""
        told = self._ask(self._face.dashboard.get_dashboard, uid)
        if told is None:
            return None
        if not isinstance(told.get("dashboard"), dict):
            raise self._strange()
        return dict(told["dashboard"])

    def put(self, dashboard: Json, folder: str) -> None:
        """Create a dashboard, or change it from the version that it names."""
        message = "perch dashboards push"
        body = {"dashboard": dashboard, "folderUid": folder, "message": message, "overwrite": False}
        self._ask(self._face.dashboard.update_dashboard, body)

    def _ask(self, call: Any, *arguments: object) -> Json | None:
        from grafana_api.grafana_api import GrafanaException
        from requests.exceptions import JSONDecodeError, RequestException

        try:
            told = call(*arguments)
        except JSONDecodeError as error:
            if not error.doc:  # a 204: it is done, and the library stumbles over having nothing to read
                return {}
            raise self._strange() from error
        except GrafanaException as error:
            if error.status_code == 404:
                return None
            raise self._refused(error.status_code, error.response) from error
        except RequestException as error:
            raise UnavailableError(f"{self._url} does not answer: {error}", "see to its address and network") from error
        if not isinstance(told, dict):
            raise self._strange()
        return told

    def _strange(self) -> PerchError:
        return UnavailableError(f"{self._url} does not answer as a Grafana does", "give the address of Grafana itself")

    def _refused(self, status: int, told: Any) -> PerchError:
        message = told.get("message") if isinstance(told, dict) else told
        why = told.get("status") if isinstance(told, dict) else None
        remedy = _REMEDIES.get(f"{status} {why}") or _REMEDIES.get(str(status)) or "see Grafana's log"
        return UnavailableError(f"{self._url} refused with {status}: {str(message)[:200]}", remedy)


_REMEDIES = {
    "400": "a dashboard that Grafana reads from a file cannot be pushed: change the file instead",
    "401": "make a service account with a token that may write dashboards and folders, and put the token into the file",
    "403": "give the token's service account the role Editor, or the rights to write dashboards and folders",
    "412 version-mismatch": "somebody changed it a moment ago: look at what they did, and push again",
    "412 name-exists": "the folder has another dashboard of that name: rename or move that one",
    "412": "somebody changed it a moment ago: look at what they did, and push again",
    "429": "try again in a minute",
}


def _face(url: str, token: str, ca: str | None) -> Any:
    try:
        from grafana_api.grafana_face import GrafanaFace
    except ImportError as error:
        raise PerchError("grafana-api is not installed", "pip install 'perch-occupancy[grafana]'") from error
    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    return GrafanaFace(
        auth=token,
        host=parts.hostname,
        port=parts.port,
        url_path_prefix=f"{prefix}/" if prefix else "",
        protocol=parts.scheme,
        verify=ca or True,
        timeout=TIMEOUT_S,
    )


def kept(pushed: Sequence[Pushed]) -> list[str]:
    """Name the dashboards that were left as they are."""
    return [one.title for one in pushed if one.outcome is Outcome.KEPT]
