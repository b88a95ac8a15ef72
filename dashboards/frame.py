"""What every dashboard is made of beside its panels: name, time, variables to choose by."""

from collections.abc import Sequence

from dashboards.panels import Json, placed

Rows = Sequence[tuple[int, Sequence[tuple[int, Json]]]]


def dashboard(
    uid: str, title: str, text: str, variables: Sequence[Json], rows: Rows, *, since: str = "now/d", refresh: str = "1m"
) -> Json:
    """Put a dashboard together; `since` is where its time begins at first, as Grafana writes it."""
    return {
        "id": None,
        "uid": uid,
        "title": title,
        "description": text,
        "tags": ["perch"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": refresh,
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "links": [_others()],
        "annotations": {"list": []},
        "templating": {"list": list(variables)},
        "panels": placed(rows),
    }


def _others() -> Json:
    """Lead to the other dashboards of Perch, with the same time and choices."""
    return {
        "type": "dashboards",
        "title": "Perch",
        "tags": ["perch"],
        "asDropdown": True,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }


def variable(tag: str, question: str, source: Json) -> Json:
    """Choose values of a tag, all at first; `question` asks for them."""
    return {
        "type": "query",
        "name": tag,
        "label": tag.capitalize(),
        "datasource": source,
        "query": question,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
        "skipUrlSync": False,
    }
