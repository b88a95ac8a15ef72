"""One question over days of many desks, answered by Perch, polars or DuckDB in this process; prints seconds and answer.

    python -m benchmarks.history_peers perch|polars|duckdb hours|peak|sizing FOLDER SPACES DAYS TIMES

The peers read Parquet of the same transitions. They know that desks stand there all the time, are always observed and
hold one person each, and that nobody sits there as the site opens; they are asked for no bounds, no coverage, no spread
over weeks and no length of the peak.
"""

# ruff: noqa: S608  queries are made of our own words

import json
import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

START_MS = 1_767_571_200_000
ZONE = "Europe/Lisbon"
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
"""As in `history_days`, which is not imported here: a peer is not to wait for Perch's modules."""

Ask = Callable[[], Any]


def perch(where: Path, spaces: int, days: int) -> Mapping[str, Ask]:
    """Ask Perch."""
    from benchmarks.history_days import OPEN, site_of
    from perch.adapters.history.store import HistoryReader
    from perch.history.answers import answer
    from perch.history.calendar import Calendar
    from perch.history.planning.sizing import sizing
    from perch.history.question import HourRow, Hours, Question, Resolution, Row, Scope
    from perch.model import SpaceKind

    site, calendar, source = site_of(spaces), Calendar(ZONE, OPEN), HistoryReader(where / "history.db")
    end_ms = START_MS + days * DAY_MS

    def asked(
        metric: str, resolution: Resolution, scope: Scope = Scope.SITE, zone: str | None = None, from_ms: int = START_MS
    ) -> Any:
        question = Question(metric, from_ms, end_ms, resolution, scope, Hours.ALL, zone=zone)
        return answer(question, site, source, calendar, end_ms + DAY_MS).rows

    alone = replace(site, spaces=site.spaces[:1])

    def space() -> Any:
        question = Question("time_used_ratio", START_MS, end_ms, Resolution.MONTH, Scope.SPACE, Hours.ALL)
        return len(answer(question, alone, source, calendar, end_ms + DAY_MS).rows)

    def hours() -> Any:
        rows = asked("time_used_ratio", Resolution.HOUR_OF_WEEK)
        # before its first word nothing is known of a desk, and the peers take it for free: that is `low`
        return {f"{row.weekday} {row.hour}": round(row.low or 0, 9) for row in rows if isinstance(row, HourRow)}

    def peak() -> Any:
        [row] = (row for row in asked("peak_concurrent", Resolution.TOTAL) if isinstance(row, Row))
        return row.value

    def sized() -> Any:
        found = sizing(site, SpaceKind.DESK, START_MS, end_ms, 0.95, source, calendar, end_ms + DAY_MS)
        return [found.desks_for_days, found.desks_for_time]

    return {
        "hours": hours,
        "peak": peak,
        "sizing": sized,
        "week of all zones": lambda: len(
            asked("time_used_ratio", Resolution.HOUR, Scope.ZONE, from_ms=end_ms - 7 * DAY_MS)
        ),
        "daily peaks of a zone": lambda: len(asked("peak_concurrent", Resolution.DAY, Scope.ZONE, "z0")),
        "hours of a zone": lambda: len(asked("time_used_ratio", Resolution.HOUR_OF_WEEK, Scope.ZONE, "z1")),
        "months of all zones": lambda: len(asked("time_used_ratio", Resolution.MONTH, Scope.ZONE)),
        "one space": space,
    }


def polars(where: Path, spaces: int, days: int) -> Mapping[str, Ask]:
    """Ask polars."""
    import polars as pl

    file = where / "transitions.parquet"
    ms, end_ms = pl.col("time_ms"), START_MS + days * DAY_MS
    change = pl.when("occupied").then(1).otherwise(-1)

    def local(of: pl.Expr) -> pl.Expr:
        return of.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ZONE)

    def hours() -> Any:
        """Each change adds what is left of its hour, and all of the later ones; ms of 600 desks burst 32 bits."""
        hour = (ms // HOUR_MS).alias("hour")
        by_hour = (
            pl.scan_parquet(file)
            .group_by(hour)
            .agg(((HOUR_MS - ms % HOUR_MS) * change).sum().alias("within"), change.sum().cast(pl.Int64).alias("step"))
        )
        every = pl.LazyFrame({"hour": range(START_MS // HOUR_MS, end_ms // HOUR_MS)}, schema={"hour": pl.Int64})
        spent = (
            every.join(by_hour, on="hour", how="left")
            .fill_null(0)
            .sort("hour")
            .with_columns(used=pl.col("within") + (pl.col("step").cum_sum() - pl.col("step")) * HOUR_MS)
            .with_columns(at=local(pl.col("hour") * HOUR_MS))
            .group_by(pl.col("at").dt.weekday().alias("weekday"), pl.col("at").dt.hour().alias("of_day"))
            .agg(value=pl.col("used").sum() / (pl.len().cast(pl.Int64) * HOUR_MS * spaces))
            .collect()
        )
        return {f"{day} {hour}": round(value, 9) for day, hour, value in spent.rows()}

    def levels() -> pl.LazyFrame:
        """Give how many are occupied from each moment on; who leaves at a moment leaves before who comes then."""
        moments = (
            pl.scan_parquet(file).select(ms, change.alias("change")).group_by("time_ms").agg(pl.col("change").sum())
        )
        return moments.sort("time_ms").select(ms, pl.col("change").cum_sum().alias("level"))

    def peak() -> Any:
        return levels().select(pl.col("level").max()).collect().item()

    def sized() -> Any:
        at = local(ms)
        spent = levels().with_columns(length=ms.shift(-1).fill_null(end_ms) - ms)
        spent = spent.with_columns(day=at.dt.date(), hour=at.dt.hour()).filter(pl.col("hour").is_between(8, 19))
        found = spent.collect()
        peaks = found.group_by("day").agg(pl.col("level").max())["level"].sort().to_list()
        by_level = found.group_by("level").agg(pl.col("length").sum()).sort("level").rows()
        return _sized(peaks, by_level, days * 12 * HOUR_MS)

    return {"hours": hours, "peak": peak, "sizing": sized}


def duckdb(where: Path, spaces: int, days: int) -> Mapping[str, Ask]:
    """Ask DuckDB."""
    import duckdb as db

    file, end_ms = where / "transitions.parquet", START_MS + days * DAY_MS
    connection = db.connect()
    connection.execute("SET TimeZone = 'UTC'")
    change = "CASE WHEN occupied THEN 1 ELSE -1 END"
    moments = f"SELECT time_ms, sum({change}) AS change FROM '{file}' GROUP BY time_ms"
    levels = f"SELECT time_ms, sum(change) OVER (ORDER BY time_ms) AS level FROM ({moments})"

    def local(of: str) -> str:
        return f"timezone('{ZONE}', make_timestamptz({of} * 1000))"

    def hours() -> Any:
        found = connection.execute(f"""
            WITH by_hour AS (
                SELECT time_ms // {HOUR_MS} AS hour, sum(({HOUR_MS} - time_ms % {HOUR_MS}) * ({change})) AS within,
                       sum({change}) AS step FROM '{file}' GROUP BY 1),
            spent AS (
                SELECT h.hour, coalesce(within, 0)
                       + (sum(coalesce(step, 0)) OVER (ORDER BY h.hour) - coalesce(step, 0)) * {HOUR_MS} AS used
                FROM range({START_MS // HOUR_MS}, {end_ms // HOUR_MS}) h(hour) LEFT JOIN by_hour USING (hour))
            SELECT isodow({local(f"hour * {HOUR_MS}")}), hour({local(f"hour * {HOUR_MS}")}),
                   sum(used) / (count(*) * {HOUR_MS}.0 * {spaces}) FROM spent GROUP BY 1, 2
        """).fetchall()
        return {f"{day} {hour}": round(value, 9) for day, hour, value in found}

    def peak() -> Any:
        [[most]] = connection.execute(f"SELECT max(level) FROM ({levels})").fetchall()
        return int(most)

    def sized() -> Any:
        connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE found AS
            SELECT level, lead(time_ms, 1, {end_ms}) OVER (ORDER BY time_ms) - time_ms AS length,
                   {local("time_ms")} AS moment FROM ({levels}) QUALIFY hour(moment) BETWEEN 8 AND 19
        """)
        peaks = connection.execute("SELECT max(level) AS m FROM found GROUP BY moment::DATE ORDER BY m").fetchall()
        by_level = connection.execute("SELECT level, sum(length) FROM found GROUP BY 1 ORDER BY 1").fetchall()
        return _sized([int(peak) for (peak,) in peaks], [(int(a), int(b)) for a, b in by_level], days * 12 * HOUR_MS)

    return {"hours": hours, "peak": peak, "sizing": sized}


def _sized(peaks: list[int], by_level: list[tuple[int, int]], open_ms: int) -> Any:
    """Give what is enough on 95 % of days, and in 95 % of open time; before the first change nobody was there."""
    from math import ceil

    of_days = peaks[min(ceil(0.95 * (len(peaks) + 1)), len(peaks)) - 1]
    spent = open_ms - sum(length for _, length in by_level)
    for level, length in by_level:
        spent += length
        if spent >= 0.95 * open_ms:
            return [of_days, level]
    return [of_days, None]


WHO = {"perch": perch, "polars": polars, "duckdb": duckdb}


def main(who: str, what: str, where: str, spaces: str, days: str, times: str) -> int:
    """Answer a question so many times; prints JSON."""
    asks = WHO[who](Path(where), int(spaces), int(days))
    taken, worked, found = [], [], None
    for _ in range(int(times)):
        began, busy = perf_counter(), process_time()
        found = asks[what]()
        taken.append(perf_counter() - began)
        worked.append(process_time() - busy)
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"s": taken, "cpu_s": worked, "found": found, "mib": memory_mib}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
