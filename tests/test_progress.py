"""How far a long job has come is shown on a terminal, and nowhere else."""

import io

from perch.commands.progress import EVERY_S, FIRST_S, LOOK_EACH, Progress


class Terminal(io.StringIO):
    """Keeps what is written; `lines` are what one sees, one after the other."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.getvalue().split("\r") if line.strip()]


def test_a_long_job_shows_how_far_it_is_and_cleans_up() -> None:
    terminal, now = Terminal(), iter(range(100_000))
    items = range(5 * LOOK_EACH)
    with Progress(terminal, lambda: next(now) * FIRST_S) as progress:
        assert list(progress.counted(items, len(items), "readings")) == list(items)
    assert terminal.lines == [f"{20 * step} % of 5,120 readings" for step in range(5)]
    assert terminal.getvalue().endswith("\r" + " " * len(terminal.lines[-1]) + "\r")


def test_a_short_job_shows_nothing() -> None:
    terminal = Terminal()
    with Progress(terminal, lambda: 0.0) as progress:
        assert list(progress.counted(range(10_000), 10_000, "readings"))
    assert terminal.getvalue() == ""
    assert EVERY_S < FIRST_S


def test_nothing_is_shown_where_nobody_looks() -> None:
    file = io.StringIO()
    with Progress(file, iter(range(100_000)).__next__) as progress:
        progress.say("looking")
        assert list(progress.counted(range(5_000), 5_000, "readings"))
    assert file.getvalue() == ""
