"""What a fit came to, for the person who asked for it: in words and columns, or as JSON."""

import sys
from collections.abc import Iterable, Iterator, Sequence

import click

from perch.sensing.accuracy import Tally
from perch.sensing.fit import Fit
from perch.sensing.learned import visit_seconds
from perch.sensing.posterior import Known
from perch.sensing.settled import PACES

COMPARED = ("", "balanced accuracy", "false vacant", "false occupied", "flaps", "Brier")


def print_account(fits: Iterable[Fit]) -> None:
    """Say on stderr what was learned of each space."""
    for fit in fits:
        click.echo("\n".join(_lines(fit)) + "\n", file=sys.stderr)


def account_values(fit: Fit) -> dict[str, object]:
    """Give the same as values for JSON."""
    compared = fit.compared
    return {
        "space": fit.model.space.id,
        "vacant_hours": round(fit.seconds[0] / 3600, 3),
        "occupied_hours": round(fit.seconds[1] / 3600, 3),
        "kept": fit.is_kept,
        "learned": [
            {"of": of, "what": what, "unit": unit, "factory": factory, **known._asdict()}
            for of, what, unit, factory, known in _numbers(fit)
        ],
        "weights": {str(kind): weight for kind, weight in _weights(fit)},
        "compared": compared
        and {
            "blocks": compared.blocks,
            "factory": _figures(compared.factory),
            "fitted": _figures(compared.fitted),
        },
    }


def _lines(fit: Fit) -> Iterator[str]:
    vacant, occupied = (seconds / 3600 for seconds in fit.seconds)
    yield f"{fit.model.space.id}: learned from {vacant:.1f} h vacant and {occupied:.1f} h occupied"
    rows = [
        (of, what, f"{known.value:g} {unit}", _spread(known), f"{factory:.4g}")
        for of, what, unit, factory, known in _numbers(fit)
    ]
    rows += [("space", f"{kind} sensors count", f"{weight:g} times as much", "", "1") for kind, weight in _weights(fit)]
    yield from _columns([("of", "what", "learned", "95 % sure", "factory"), *rows])
    silent = [account.sensor for account in fit.model.accounts if not account.numbers]
    if silent:
        yield f"  nothing to learn of {', '.join(silent)}"
    yield from _verdict(fit)


def _verdict(fit: Fit) -> Iterator[str]:
    compared = fit.compared
    if compared is None:
        yield "  too few labels of either kind to check it on labels kept back: the numbers stay near the factory's"
        return
    yield f"on labels kept back, in {compared.blocks} blocks:"
    yield from _columns([COMPARED, _row("factory", compared.factory), _row("fitted", compared.fitted)])
    if fit.is_kept:
        yield "  the fitted numbers are written"
    elif compared.is_senseless:
        yield "  labels and readings hardly agree: is a clock or a time zone wrong? the factory's numbers stay"
    else:
        yield "  it is not better than the factory on labels it has not seen: the factory's numbers stay"


def _numbers(fit: Fit) -> Iterator[tuple[str, str, str, float, Known]]:
    pace = PACES[fit.model.space.kind]
    yield "space", "stands empty", "minutes", pace.vacant / 60, fit.model.vacant
    yield "space", "a visit lasts", "minutes", visit_seconds(pace) / 60, fit.model.visit
    for account in fit.model.accounts:
        for one in account.numbers:
            yield account.sensor, one.name, one.unit, one.factory, one.known


def _spread(known: Known) -> str:
    """Say how sure a number is; one at the limit of what is believed has no interval."""
    return f"{known.low:g} to {known.high:g}" if known.low < known.high else "at its limit"


def _weights(fit: Fit) -> Sequence[tuple[str, float]]:
    learned = fit.model.space.learned
    return learned.weights if learned else ()


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    return (
        name,
        _shown(tally.balanced, "{:.3f}"),
        _shown(tally.false_vacant, "{:.1f} min/h"),
        _shown(tally.false_occupied, "{:.1f} min/h"),
        f"{tally.flaps:.1f}",
        _shown(tally.brier, "{:.4f}"),
    )


def _figures(tally: Tally) -> dict[str, float | None]:
    figures = {
        "balanced_accuracy": tally.balanced,
        "false_vacant_minutes_per_hour": tally.false_vacant,
        "false_occupied_minutes_per_hour": tally.false_occupied,
        "flaps": tally.flaps,
        "brier": tally.brier,
        "unknown": tally.unknown_share,
    }
    return {name: None if figure is None else round(figure, 4) for name, figure in figures.items()}


def _shown(figure: float | None, form: str) -> str:
    return "–" if figure is None else form.format(figure)


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
