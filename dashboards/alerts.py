"""Alert rules of Grafana, from the zones bucket: written as JSON, which is YAML too, so that one writer does."""

import json
from collections.abc import Sequence

from dashboards.panels import ZONES, Json
from dashboards.zones import chosen

EVALUATED = "1m"
LOOK_BACK_S = 3_600
_ALL = {f"${tag}": ".*" for tag in ("site", "floor", "zone", "kind")}
_FLEET = f'FROM "fleet" WHERE {chosen("site")} AND $timeFilter GROUP BY time(1m), "site", "agent" fill(none)'
_LIVE = f'FROM "zone_now" WHERE {chosen("site")} AND $timeFilter GROUP BY time(1m), "site" fill(none)'
_QUARTERS = f'FROM "zone_15min" WHERE {chosen("site")} AND "inventory_ms" > 0 AND $timeFilter'


def groups() -> Json:
    """Give the rules in the shape in which Grafana reads them from a file.

    No text has a dollar sign, save in queries: Grafana 10 takes it for a variable of the environment everywhere else.
    """
    rules = [_offline(), _ill(), _growing(), _unseen(), _not_live(), _behind()]
    return {
        "apiVersion": 1,
        "groups": [{"orgId": 1, "name": "perch", "folder": "Perch alerts", "interval": EVALUATED, "rules": rules}],
    }


def as_yaml() -> str:
    """Write the file; JSON is YAML."""
    head = "# Made by `perch dashboards build`. Goes to /etc/grafana/provisioning/alerting/."
    return f"{head}\n{json.dumps(groups(), indent=2, ensure_ascii=False)}\n"


def _offline() -> Json:
    return _rule(
        "perch-agent-offline",
        "An agent is offline",
        f'SELECT last("online") {_FLEET}',
        ("last", "lt", 1),
        patience="5m",
        summary="Agent {{ .Labels.agent }} of {{ .Labels.site }} is offline",
        text="Its spaces are unknown. See to its power and network; `perch doctor` on it says more. Nothing is lost.",
    )


def _ill() -> Json:
    return _rule(
        "perch-sensors-ill",
        "Sensors cannot be believed",
        f'SELECT last("silent_sensors") {_FLEET}',
        ("last", "gt", 0),
        patience="30m",
        summary="{{ .Values.B }} sensors of agent {{ .Labels.agent }} of {{ .Labels.site }} are silent or stuck",
        text="Perch's pages and `perch doctor` name them. A space whose sensors are all ill is unknown.",
    )


def _growing() -> Json:
    return _rule(
        "perch-outbox-growing",
        "An agent cannot deliver",
        f'SELECT last("outbox") {_FLEET}',
        ("min", "gt", 100),
        patience="30m",
        summary="More than 100 events wait in agent {{ .Labels.agent }} of {{ .Labels.site }} for an hour",
        text="It is heard and not answered: see to the collector, and to whether its credentials may read `ack`.",
    )


def _unseen() -> Json:
    covered = f'SELECT sum("known_ms") / sum("inventory_ms") {_QUARTERS} GROUP BY time(15m), "site" fill(none)'
    return _rule(
        "perch-coverage-low",
        "Little is observed",
        covered,
        ("mean", "lt", 0.9),
        look_back_s=4 * LOOK_BACK_S,
        patience="1h",
        summary="Less than 90 % of the time of {{ .Labels.site }} was observed in the last hours",
        text="Figures of this time carry a warning. Look for agents that were offline and for ill sensors.",
    )


def _not_live() -> Json:
    return _rule(
        "perch-not-live",
        "Nothing is live",
        f'SELECT last("total") {_LIVE}',
        ("last", "lt", 0),
        look_back_s=300,
        patience="2m",
        no_data="Alerting",
        summary="No live row reached InfluxDB for five minutes",
        text="The collector is down, or cannot reach InfluxDB. Nothing is lost: see `perch doctor` on its machine.",
    )


def _behind() -> Json:
    return _rule(
        "perch-influxdb-behind",
        "Quarter hours do not arrive",
        f'SELECT sum("spaces") {_QUARTERS} GROUP BY time(15m), "site" fill(none)',
        ("count", "lt", 1),
        look_back_s=LOOK_BACK_S,
        patience="15m",
        no_data="Alerting",
        summary="No quarter hour of {{ .Labels.site }} was written for an hour",
        text="InfluxDB's projection is behind or no agent reports: see `perch doctor` on the collector's machine.",
    )


def _rule(
    uid: str,
    title: str,
    influxql: str,
    test: tuple[str, str, float],
    *,
    patience: str,
    summary: str,
    text: str,
    look_back_s: int = LOOK_BACK_S,
    no_data: str = "OK",
) -> Json:
    """Ask, bring each series to one number by the first word of `test`, and compare that by the second and third."""
    reducer, comparison, limit = test
    return {
        "uid": uid,
        "title": title,
        "condition": "C",
        "data": [
            _asked(influxql, look_back_s),
            _step("B", "reduce", "A", reducer=reducer, settings={"mode": "dropNN"}),
            _step("C", "threshold", "B", conditions=_conditions(comparison, limit)),
        ],
        "noDataState": no_data,
        "execErrState": "Error",
        "for": patience,
        "annotations": {"summary": summary, "description": text},
        "labels": {"product": "perch"},
        "isPaused": False,
    }


def _conditions(comparison: str, limit: float) -> Sequence[Json]:
    return [{"evaluator": {"type": comparison, "params": [limit]}}]


def _asked(influxql: str, look_back_s: int) -> Json:
    for name, value in _ALL.items():
        influxql = influxql.replace(name, value)
    model = {
        "refId": "A",
        "datasource": ZONES,
        "rawQuery": True,
        "query": influxql,
        "resultFormat": "time_series",
        "intervalMs": 60_000,
        "maxDataPoints": 1_000,
    }
    window = {"from": look_back_s, "to": 0}
    return {"refId": "A", "relativeTimeRange": window, "datasourceUid": ZONES["uid"], "model": model}


def _step(letter: str, kind: str, of: str, **how: object) -> Json:
    source = {"type": "__expr__", "uid": "__expr__"}
    model = {"refId": letter, "type": kind, "expression": of, "datasource": source, **how}
    window = {"from": 0, "to": 0}
    return {"refId": letter, "relativeTimeRange": window, "datasourceUid": "__expr__", "model": model}
