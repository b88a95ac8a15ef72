"""A site's layout as rows are made of it: read once, and asked for the little that is needed each time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perch.history.calendar import Calendar
from perch.history.layout import Standing, Tenure, by_space, standings, tenures
from perch.model import Site

Group = tuple[str, str, str]
"""A floor, a zone of it, and a kind of space."""


@dataclass(frozen=True, slots=True)
class Served:
    """Rows of a layout and tenures by space; spaces by the group in which they ever stood, and by agent.

    `groups_of` has the group of each row of a space, `groups_by_agent` those of all spaces that an agent ever served.
    `dated` has each span once over which any row of the layout is in force.
    """

    site: str
    calendar: Calendar
    rows: Mapping[str, Sequence[Standing]]
    tenures: Mapping[str, Sequence[Tenure]]
    groups: Mapping[Group, Sequence[str]]
    by_agent: Mapping[str, Sequence[str]]
    groups_of: Mapping[str, Sequence[Group]]
    groups_by_agent: Mapping[str, Sequence[Group]]
    dated: Sequence[Standing]

    @classmethod
    def of(cls, site: Site, calendar: Calendar) -> "Served":
        """Read a layout."""
        rows = by_space(standings(site))
        groups_of = {space: tuple(map(group_of, of_space)) for space, of_space in rows.items()}
        groups: dict[Group, dict[str, None]] = {}
        agents: dict[str, dict[str, None]] = {}
        for space, of_space in rows.items():
            for group in groups_of[space]:
                groups.setdefault(group, {})[space] = None
            for row in of_space:
                if row.space.agent is not None:
                    agents.setdefault(row.space.agent, {})[space] = None
        return cls(
            site.id,
            calendar,
            rows,
            {space: tenures(of_space) for space, of_space in rows.items()},
            {group: tuple(spaces) for group, spaces in sorted(groups.items())},
            {agent: tuple(spaces) for agent, spaces in agents.items()},
            groups_of,
            {
                agent: tuple(dict.fromkeys(group for space in spaces for group in groups_of[space]))
                for agent, spaces in agents.items()
            },
            tuple({(row.from_ms, row.to_ms): row for of_space in rows.values() for row in of_space}.values()),
        )


def group_of(row: Standing) -> Group:
    """Say in which group of a site a row of its layout stands."""
    return row.space.floor, row.space.zone, row.space.kind.value
