"""Tejo Works, Lisbon: a shop house on a corner, two floors of sixteen by ten metres."""

from perch.venue.plans.tejo_first import first
from perch.venue.plans.tejo_ground import ground


def floors() -> dict[str, str]:
    """Draw both floors, by file name."""
    return {"ground.svg": ground(), "first.svg": first()}
