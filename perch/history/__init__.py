"""From what was told to answers: exact, dated, with coverage and bounds. Pure.

A question goes through these, from top to bottom:

- `question` and `asked`: groups of spaces, steps of time and cells, by `calendar` and `layout` (what stood where);
- `source` is the law of every store of what was `told`; `statements` and `timeline` are what it gives back;
- `gaps` lays over a source what is known to be missing in it;
- `by_day` measures day by day from `sheets` (all spaces of a day in order of time), `summed` from sums alone;
- `uses` measures times, `crowd` how many at one moment, `visits` sessions, `bookings` and `overruns` what was booked;
- `formulas` makes numbers of what was measured, `metrics` ties both together, `definitions` says what each means;
- `caveats` and `unobserved` admit what is not known; `answers` gathers it all.

Beside that: `planning` (how many would do, what if, before and after), `forecast`, the `audit` and its `looks`, and for
InfluxDB `spans` (what changed), `rows`, `quarters`, `eras`.
"""
