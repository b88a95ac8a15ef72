"""What a dashboard shows is what Perch answers: a week of two sites as the collector writes it, asked in both ways."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from collector.influx.rows import Ground, all_lines
from dashboards import alerts, building, zones
from dashboards.fleet import fleet
from dashboards.network import network
from dashboards.spaces import spaces
from dashboards.week import week
from perch.adapters.influx.line_protocol import fleet_line, zone_now_line
from perch.adapters.influx.query import Bucket
from perch.adapters.influx.writing import InfluxWriter, Written
from perch.history.answers import answer, transitions
from perch.history.calendar import Calendar
from perch.history.eras import eras
from perch.history.memory import MemoryHistory
from perch.history.question import HourRow, Hours, Question, Resolution, Row, Scope
from perch.history.told import Told
from perch.model import DAY_MS, QUARTER_MS, OpenSpan, Reason, Site, SpaceKind, State
from tests.grafana_transforms import transformed
from tests.history_cases import EPOCHS, marked, site, space, stated
from tests.parts import Influx

pytestmark = pytest.mark.xdist_group("dashboards")

Table = list[dict[str, Any]]
OPEN = (OpenSpan(time_of_day(8), time_of_day(18, 30)),)
ZONES = {"hq": "Europe/Lisbon", "north": "Asia/Kolkata"}
PLACES = (
    ("s1", "z1", SpaceKind.DESK),
    ("s2", "z1", SpaceKind.ROOM),
    ("s3", "z2", SpaceKind.DESK),
    ("s4", "z3", SpaceKind.DESK),
)


def a_site(name: str) -> Site:
    rows = [space(one, zone=zone, kind=kind) for one, zone, kind in PLACES]
    return replace(site(*rows, zone=ZONES[name], hours=[OPEN] * 6 + [()]), id=name)


GONE_MS = 5 * 3_600_000
"""So long before the end of the week the agent of `north` was heard for the last time."""


def a_week(dice: random.Random, name: str, from_ms: int, to_ms: int) -> Iterator[Told]:
    """Each space changes each half hour or so; on two days the agent is away for a while, and says so."""
    pauses = [(from_ms + day * DAY_MS + 10 * 3_600_000, 80 * 60_000) for day in (2, 5)]
    seq, words = 0, list[Told]()
    for one, _, _ in PLACES:
        ms = from_ms - 3_600_000
        while ms < to_ms:
            state = dice.choice([State.FREE, State.OCCUPIED, State.OCCUPIED, State.UNKNOWN])
            reason = {State.FREE: Reason.QUIET, State.OCCUPIED: Reason.MOTION, State.UNKNOWN: Reason.SENSOR_STUCK}[
                state
            ]
            words.append(stated(ms, state, space=one, reason=reason))
            ms += dice.randint(60_000, 3_600_000)
        words += [stated(start, State.UNKNOWN, space=one, reason=Reason.AGENT_OFFLINE) for start, _ in pauses]
        words += [stated(start + long, State.FREE, space=one, reason=Reason.QUIET) for start, long in pauses]
    words += [marked(ms) for ms in range(from_ms - 3_600_000, to_ms + 1, QUARTER_MS)]
    for word in sorted(words, key=lambda word: getattr(word, "time_ms", 0)):
        ms = getattr(word, "time_ms", 0)
        if not any(start < ms < start + long for start, long in pauses):
            seq += 1
            yield word._replace(site=name, seq=seq, epoch=EPOCHS[0])  # type: ignore[call-arg]


@dataclass(frozen=True)
class Seeded:
    """Two sites, what was told of them, and the same in InfluxDB; the window is a week of Lisbon."""

    influxdb: Influx
    sites: dict[str, Site]
    history: MemoryHistory
    from_ms: int
    to_ms: int
    now_ms: int

    def ask(self, influxql: str, bucket: str, *, window: tuple[int, int] | None = None, **chosen: str) -> Table:
        """Put in what Grafana would, and ask; times are ms as `Time`."""
        from_ms, to_ms = window or (self.from_ms, self.to_ms)
        text = influxql.replace("$timeFilter", f"time >= {from_ms}ms and time < {to_ms}ms").replace("$__interval", "1h")
        for name in (*zones.VARIABLES, "space"):
            text = text.replace(f"/^${name}$/", f"/^{chosen.get(name, '.*')}$/")
        assert "$" not in text.replace("$/", ""), text
        rows = self.influxdb.query(text, bucket, epoch="ms")
        return [{("Time" if name == "time" else name): value for name, value in row.items()} for row in rows]

    def show(self, dashboard: dict[str, Any], title: str, **chosen: str) -> Table:
        """Give what a panel shows, in the zone of the first site chosen."""
        panel = next(panel for panel in dashboard["panels"] if panel["title"] == title)
        bucket = self.influxdb.bucket if dashboard["uid"] == "perch-spaces" else self.influxdb.zones_bucket
        rows = [row for query in panel["targets"] for row in self.ask(query["query"], bucket, **chosen)]
        known = [step for step in panel.get("transformations", []) if step["id"] not in ("organize", "merge")]
        return transformed(rows, known, ZONES[chosen.get("site", "hq")])

    def answer(self, metric: str, name: str = "hq", **how: Any) -> Sequence[Row | HourRow]:
        """Ask Perch itself."""
        place = self.sites[name]
        calendar = Calendar(place.time_zone, place.hours, frozenset())
        question = Question(metric, self.from_ms, self.to_ms, **how)
        return answer(question, place, self.history, calendar, self.now_ms).rows


@pytest.fixture(scope="module")
def seeded(influxdb_of_module: Influx) -> Seeded:
    dice = random.Random(20261122)  # noqa: S311 (nothing secret is drawn)
    now_ms = time.time_ns() // 10**6
    midnight = datetime.now(ZoneInfo(ZONES["hq"])).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    from_ms, to_ms = (int((midnight - timedelta(days=days)).timestamp()) * 1000 for days in (7, 0))
    sites = {name: a_site(name) for name in ZONES}
    history = MemoryHistory([*a_week(dice, "hq", from_ms, to_ms), *a_week(dice, "north", from_ms, to_ms - GONE_MS)])
    with InfluxWriter(influxdb_of_module.settings) as writer:
        for name, place in sites.items():
            lines = list(all_lines(Ground.of(place), eras(name, history), history))
            for bucket in Bucket:
                assert writer.write(bucket, [line for of, line in lines if of is bucket]) == Written()
    return Seeded(influxdb_of_module, sites, history, from_ms, to_ms, now_ms)


def values(rows: Sequence[Row | HourRow]) -> list[float]:
    return [row.value for row in rows if row.value is not None]


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("chosen", [{}, {"kind": "desk"}, {"zone": "z1"}])
def test_the_week_in_one_number_is_what_perch_answers(seeded: Seeded, name: str, chosen: dict[str, str]) -> None:
    [used] = seeded.show(week(), "Time used", site=name, **chosen)
    [bounds] = seeded.show(week(), "Time used, bounds", site=name, **chosen)
    [coverage] = seeded.show(week(), "Coverage", site=name, **chosen)
    [told] = seeded.answer("time_used_ratio", name, **chosen)
    shown = used["time used"], bounds["at least"], bounds["at most"], coverage["coverage"]
    assert shown == pytest.approx((told.value, told.low, told.high, told.coverage))


def test_each_day_of_the_week_is_what_perch_answers(seeded: Seeded) -> None:
    used, covered = (seeded.answer(metric, resolution=Resolution.DAY) for metric in ("time_used_ratio", "coverage"))
    shown = seeded.show(week(), "By day", site="hq")
    assert [row["time used"] for row in shown] == pytest.approx(values(used))
    assert len(shown) == 6, "the day on which it is closed has no bar"
    shown = seeded.show(week(), "Coverage by day", site="hq")
    assert [row["coverage"] for row in shown] == pytest.approx(values(covered))


def test_each_hour_of_the_week_is_what_perch_answers(seeded: Seeded) -> None:
    told = {
        (row.weekday, row.hour): row.value
        for row in seeded.answer("time_used_ratio", resolution=Resolution.HOUR_OF_WEEK)
        if isinstance(row, HourRow) and row.value is not None
    }
    shown = {
        (int(row["day\\hour"][0]), int(column[:2])): value
        for row in seeded.show(week(), "By hour of the week", site="hq")
        for column, value in row.items()
        if column != "day\\hour" and value is not None
    }
    assert len(shown) >= 6 * 11 - 2, "an hour of which nothing is known has no cell"
    assert shown == pytest.approx(told)


def test_an_hour_of_the_day_is_the_ratio_of_the_sums_of_its_days(seeded: Seeded) -> None:
    shown = seeded.show(week(), "By hour of the day", site="hq", zone="z3")
    hours = seeded.answer("time_used_ratio", zone="z3", resolution=Resolution.QUARTER_HOUR)
    for row in shown:
        quarters = [
            quarter
            for quarter in hours
            if isinstance(quarter, Row) and quarter.value is not None and quarter.coverage is not None
            and f"{seeded_hour(quarter.start_ms):02}:00" == row["Time"]
        ]  # fmt: skip
        known = [quarter.coverage or 0 for quarter in quarters]
        occupied = sum((quarter.value or 0) * share for quarter, share in zip(quarters, known, strict=True))
        assert row["time used"] == pytest.approx(occupied / sum(known))
    assert [row["Time"] for row in shown] == [f"{hour:02}:00" for hour in range(8, 19)]


def seeded_hour(ms: int) -> int:
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(ZONES["hq"])).hour


def test_the_network_compares_sites_by_what_perch_answers_for_each(seeded: Seeded) -> None:
    shown: dict[str, dict[str, float]] = {}
    for row in seeded.show(network(), "Time used by site"):
        shown.setdefault(row["site"], {}).update(row)
    assert set(shown) == set(ZONES)
    for name, row in shown.items():
        [told] = seeded.answer("time_used_ratio", name)
        figures = [row[column] for column in ("time used", "at least", "at most", "coverage")]
        assert figures == pytest.approx([told.value, told.low, told.high, told.coverage])


def test_over_time_the_network_shows_each_site_as_perch_answers_by_the_hour(seeded: Seeded) -> None:
    shown = {
        row["Time"]: row["time used"]
        for row in seeded.show(network(), "Time used by site over time", site="hq")
        if row["time used"] is not None
    }
    told = seeded.answer("time_used_ratio", resolution=Resolution.HOUR)
    assert shown == pytest.approx(
        {row.start_ms: row.value for row in told if isinstance(row, Row) and row.value is not None}
    )
    free = [row["free"] for row in seeded.show(network(), "Free by site", site="hq") if row["free"] is not None]
    assert len(free) == (seeded.to_ms - seeded.from_ms) // QUARTER_MS
    assert 0 <= min(free) < max(free) <= len(PLACES)


def test_the_fleets_coverage_counts_all_hours(seeded: Seeded) -> None:
    shown = {row["Time"]: row["coverage"] for row in seeded.show(fleet(), "Coverage by site", site="hq")}
    told = seeded.answer("coverage", resolution=Resolution.HOUR, hours=Hours.ALL)
    expected = {row.start_ms: row.value for row in told if isinstance(row, Row)}
    assert shown == pytest.approx(expected)
    assert min(shown.values()) < 0.5


def drawn(rows: Table, silent_after_ms: int, end_ms: int) -> dict[str, int]:
    """Measure what a timeline draws: a state goes on to the next row, and turns grey where none came for too long."""
    lengths: dict[str, int] = dict.fromkeys(("free", "occupied", "unknown"), 0)
    for row, following in zip(rows, [*rows[1:], {"Time": end_ms}], strict=True):
        long_ms = following["Time"] - row["Time"]
        lengths[row["state"]] += min(long_ms, silent_after_ms)
        lengths["unknown"] += max(0, long_ms - silent_after_ms)
    return lengths


def test_a_space_of_which_nothing_comes_any_more_turns_grey_after_a_quarter_hour(seeded: Seeded) -> None:
    panel = next(panel for panel in spaces()["panels"] if panel["title"] == "States")
    silent_after_ms = panel["fieldConfig"]["defaults"]["custom"]["insertNulls"]
    rows = seeded.show(spaces(), "States", site="north", space="s1")
    last = [*rows[:-1], {**rows[-1], "state": "free"}]
    grey_ms = (
        drawn(last, silent_after_ms, seeded.to_ms)["unknown"]
        - drawn(rows[:-1], silent_after_ms, rows[-1]["Time"])["unknown"]
    )
    assert grey_ms == pytest.approx(GONE_MS - QUARTER_MS, abs=1)


@pytest.mark.parametrize("place", [place for place, _, _ in PLACES])
def test_a_space_is_drawn_as_perch_answers_and_grey_for_as_long_as_it_is_unknown(seeded: Seeded, place: str) -> None:
    panel = next(panel for panel in spaces()["panels"] if panel["title"] == "States")
    silent_after_ms = panel["fieldConfig"]["defaults"]["custom"]["insertNulls"]
    rows = seeded.show(spaces(), "States", site="hq", space=place)
    lengths = drawn(rows, silent_after_ms, seeded.to_ms)
    [told] = [
        row for row in seeded.answer("time_used_ratio", scope=Scope.SPACE, hours=Hours.ALL)
        if isinstance(row, Row) and row.scope == place
    ]  # fmt: skip
    known_ms, whole_ms = lengths["free"] + lengths["occupied"], seeded.to_ms - seeded.from_ms
    assert told.value is not None
    assert lengths["occupied"] / known_ms == pytest.approx(told.value, abs=1e-6)
    assert known_ms / whole_ms == pytest.approx(told.coverage, abs=1e-6)
    assert lengths["unknown"] > 2 * 3_600_000


def test_the_table_of_transitions_is_perchs_own(seeded: Seeded) -> None:
    window = seeded.to_ms - DAY_MS, seeded.to_ms
    [query] = next(panel for panel in spaces()["panels"] if panel["title"] == "Transitions")["targets"]
    shown = seeded.ask(query["query"], seeded.influxdb.bucket, window=window, site="hq", space="s2")
    told = transitions(seeded.sites["hq"], "s2", *window, seeded.history)
    assert [(row["Time"], row["state"], row["reason"]) for row in shown] == [
        (row.time_ms, row.state, row.reason) for row in reversed(told)
    ]
    assert len(told) > 10


def test_the_variables_of_the_spaces_offer_each_space_within_its_place(seeded: Seeded) -> None:
    questions = {variable["name"]: variable["query"] for variable in spaces()["templating"]["list"]}

    def offered(name: str, **chosen: str) -> set[str]:
        return {row["value"] for row in seeded.ask(questions[name], seeded.influxdb.bucket, **chosen)}

    assert offered("site") == {"hq", "north"}
    assert offered("space", site="hq", zone="z1") == {"s1", "s2"}
    assert offered("space", kind="desk", floor="f2") == {"s4"}


def test_every_query_of_every_dashboard_runs(seeded: Seeded) -> None:
    """A query that InfluxDB refuses raises."""
    asked = 0
    for dashboard in building.all_dashboards():
        bucket = seeded.influxdb.bucket if dashboard["uid"] == "perch-spaces" else seeded.influxdb.zones_bucket
        for panel in dashboard["panels"]:
            for query in panel.get("targets", ()):
                seeded.ask(query["query"], bucket, window=(seeded.to_ms - 3_600_000, seeded.to_ms))
                asked += 1
    assert asked > 40


def fires(rule: dict[str, Any], seeded: Seeded) -> set[str]:
    """Do what Grafana does with a rule: ask, bring each series to a number, compare; names those for which it fires."""
    asking, reducing, comparing = rule["data"]
    now_ms = time.time_ns() // 10**6
    window = now_ms - asking["relativeTimeRange"]["from"] * 1000, now_ms
    series: dict[str, list[float]] = {}
    for row in seeded.ask(asking["model"]["query"], seeded.influxdb.zones_bucket, window=window):
        [value] = [value for name, value in row.items() if name not in ("Time", "measurement", "site", "agent")]
        if value is not None:
            series.setdefault(f"{row['site']}/{row.get('agent', '')}", []).append(value)
    assert (reducing["model"]["expression"], comparing["model"]["expression"]) == ("A", "B")
    reduce = {"last": lambda them: them[-1], "min": min, "mean": lambda them: sum(them) / len(them), "count": len}
    [condition] = comparing["model"]["conditions"]
    [limit] = condition["evaluator"]["params"]
    compare = {"lt": lambda number: number < limit, "gt": lambda number: number > limit}[condition["evaluator"]["type"]]
    return {name for name, them in series.items() if compare(reduce[reducing["model"]["reducer"]](them))}


def test_alerts_fire_for_what_is_wrong_and_for_nothing_else(seeded: Seeded) -> None:
    now_ms = time.time_ns() // 10**6
    words = [
        ("gone", 1, 0, 0), ("ill", 1, 1, 2), ("stuck", 1, 400, 0), ("well", 1, 3, 0),
    ]  # fmt: skip
    lines = [
        fleet_line(
            "hq",
            agent,
            now_ms - age,
            online=bool(online) and (agent != "gone" or age > 10_000),
            outbox=outbox,
            silent_sensors=ill,
        )
        for agent, online, outbox, ill in words
        for age in (2_700_000, 1_800_000, 900_000, 1_000)
    ]
    lines.append(zone_now_line("hq", "f1", "z1", "desk", now_ms - 5_000, free=1, occupied=0, unknown=0))
    with InfluxWriter(seeded.influxdb.settings) as writer:
        assert writer.write(Bucket.ZONES, lines) == Written()
    [group] = alerts.groups()["groups"]
    fired = {rule["uid"]: fires(rule, seeded) for rule in group["rules"]}
    assert fired["perch-agent-offline"] == {"hq/gone"}
    assert fired["perch-sensors-ill"] == {"hq/ill"}
    assert fired["perch-outbox-growing"] == {"hq/stuck"}
    assert fired["perch-not-live"] == set()


def test_alert_rules_have_what_grafana_reads_from_a_file() -> None:
    [group] = alerts.groups()["groups"]
    assert len({rule["uid"] for rule in group["rules"]}) == len(group["rules"]) == 6
    for rule in group["rules"]:
        assert [step["refId"] for step in rule["data"]] == ["A", "B", "C"]
        assert rule["condition"] == "C"
        assert {rule["noDataState"], rule["execErrState"]} <= {"OK", "Alerting", "Error", "NoData"}
        assert rule["annotations"]["summary"]
        outside = {**rule, "data": [{**step, "model": {}} for step in rule["data"]]}
        assert "$" not in str(outside), "Grafana 10 takes it for a variable of the environment"
