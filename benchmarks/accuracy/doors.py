"""Simulated rooms with beams in the door: the estimator's count beside plain counters."""

from collections.abc import Mapping, Sequence

from benchmarks.accuracy.recordings import Block
from benchmarks.accuracy.rooms_with_doors import BEAMS, MISSED, WRONG, Beside, counter, room, setting
from benchmarks.accuracy.saying import Rule, estimator
from benchmarks.accuracy.scores import Score
from benchmarks.accuracy.tables import Aim, Section, Table, at_least, below, percent, written

ROOMS = 12
RESET_MIN = 90
COLUMNS = ("rule", "presence accuracy", "balanced", "fv", "fo", "flaps", "mean count error", "Brier", "unknown")


def section(rooms: int = ROOMS) -> Section:
    """Score beams alone and beside other sensors, and those without beams."""
    made = [room(seed) for seed in range(rooms)]
    rows, ours = [], {}
    for name, quiet_ms in (("in minus out", None), (f"the same, 0 after {RESET_MIN} quiet min", RESET_MIN * 60_000)):
        rules = [counter(one.capacity, quiet_ms) for one in made]
        rows.append((name, *_figures(_scored([one.block(Beside.NOTHING) for one in made], rules))))
    for beside in Beside:
        blocks = [one.block(beside) for one in made]
        ours[beside] = _scored(blocks, [estimator(*setting(one, beside)) for one in made])
        rows.append((f"Perch, {beside}", *_figures(ours[beside])))
    for beside in (Beside.PIR, Beside.CO2):
        blocks = [one.block(beside) for one in made]
        rules = [estimator(space, sensors[BEAMS:]) for space, sensors in (setting(one, beside) for one in made)]
        rows.append((f"Perch, {beside.partition(' and ')[2]} without beams", *_figures(_scored(blocks, rules))))
    caption = f"{rooms} simulated rooms, 3 days each, doors that miss {MISSED:.0%} and turn {WRONG:.0%} of crossings"
    return Section("doors", [Table(caption, COLUMNS, rows)], _aims(ours))


def _aims(ours: Mapping[Beside, Score]) -> list[Aim]:
    aims = []
    for beside in (Beside.PIR, Beside.CO2):
        aims.append(at_least(f"Doors, {beside}: presence accuracy", ours[beside].accuracy, 0.97))
        aims.append(below(f"Doors, {beside}: mean count error", ours[beside].count_error, 0.8))
    return aims


def _scored(blocks: Sequence[Block], rules: Sequence[Rule]) -> Score:
    score = Score()
    for block, rule in zip(blocks, rules, strict=True):
        score.add(block.moments, block.people, rule(block.readings, block.moments))
    return score


def _figures(score: Score) -> tuple[str, ...]:
    counted = score.counted
    return (
        written(score.accuracy, 3),
        written(counted.balanced, 3),
        written(counted.false_vacant, 2),
        written(counted.false_occupied, 2),
        written(counted.flaps, 1),
        written(score.count_error, 2),
        written(counted.brier, 3),
        percent(counted.unknown_share),
    )
