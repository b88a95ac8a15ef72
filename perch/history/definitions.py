"""What each number means: every metric that can be asked for, as data. Formulas live in `formulas.py`, one for each."""

from collections.abc import Mapping
from types import MappingProxyType

from perch.history.question import Definition

_ALL = (
    Definition(
        id="coverage",
        name="Coverage",
        version=1,
        unit="ratio",
        text=(
            "Known time divided by inventory time. A space is known while its agent stated free or occupied and "
            "vouches for it. Inventory time is the time in which the space stood there by the layout and was not out "
            "of service. Groups: sum of known time divided by sum of inventory time."
        ),
        is_not="Not a measure of use: a space that is free all day and well observed has coverage 1.",
    ),
    Definition(
        id="time_used_ratio",
        name="Time used",
        version=1,
        unit="ratio",
        text=(
            "Occupied time divided by known time. The hold time of the sensing, in which nobody moves but somebody may "
            "still sit there, counts as occupied. Groups: sum of occupied time divided by sum of known time. The low "
            "bound counts unknown time as free, the high bound as occupied, both divided by inventory time."
        ),
        is_not=(
            "Not how many people came, not how full a space was, not the share of spaces in use at the busiest moment."
        ),
    ),
)

DEFINITIONS: Mapping[str, Definition] = MappingProxyType({definition.id: definition for definition in _ALL})
"""Every metric by its id."""
