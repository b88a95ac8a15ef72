"""Is a floor plan one on which every space of its floor can be seen? Every complaint, with what to do."""

from collections.abc import Iterable, Iterator
from datetime import date

from api.plans.plans import Plan, read_plan
from perch.errors import Complaint, InputError
from perch.model import Floor, Site


def check_plans(site: Site, today: date) -> list[Complaint]:
    """Complain of the plans of a site: of those that cannot be shown, and of spaces that are not on theirs."""
    return [complaint for floor in site.floors for complaint in _check(site, floor, today)]


def remarks(site: Site) -> list[str]:
    """Say what of the drawings is left out on the page; it does no harm there."""
    read = ((floor.id, _read(floor)) for floor in site.floors)
    left_out = ((floor, ", ".join(plan.left_out)) for floor, plan in read if plan is not None and plan.left_out)
    return [f"plan of {floor}: left out, as a page shows plain drawings only: {names}" for floor, names in left_out]


def spaces_of(site: Site, floor: str, today: date) -> list[str]:
    """Name the spaces that stand on a floor on a day or later, each once, in the order of the layout."""
    rows = (row for row in site.spaces if row.valid_until is None or row.valid_until > today)
    return list(dict.fromkeys(row.id for row in rows if row.floor == floor))


def _read(floor: Floor) -> Plan | None:
    try:
        return None if floor.plan is None else read_plan(floor.plan, _where(floor), 0)
    except InputError:
        return None


def _where(floor: Floor) -> str:
    return f"plan of {floor.id}"


def _check(site: Site, floor: Floor, today: date) -> Iterator[Complaint]:
    wanted = spaces_of(site, floor.id, today)
    if floor.plan is None:
        if wanted:
            remedy = (
                f'draw one, or have one begun: perch site plan draft; then plan = "{floor.id}.svg" in its [[floor]]'
            )
            yield Complaint(f"floor {floor.id}", f"has {len(wanted)} spaces and no plan", remedy)
        return
    try:
        plan = read_plan(floor.plan, _where(floor), 0)
    except InputError as refused:
        yield from refused.complaints
        return
    yield from _compare(site, floor, plan, wanted)


def _compare(site: Site, floor: Floor, plan: Plan, wanted: Iterable[str]) -> Iterator[Complaint]:
    drawn, known = set(plan.spaces), {row.id: row.floor for row in site.spaces}
    for space in wanted:
        if space not in drawn:
            remedy = f'give the element that draws it the id "space-{space}"'
            yield Complaint(_where(floor), f"space {space} is not on it", remedy)
    for space in plan.twice:
        remedy = f'only the first one is shown: give the id "space-{space}" to one element, and the others another'
        yield Complaint(_where(floor), f"space {space} is drawn more than once", remedy)
    for space in plan.spaces:
        if space not in known:
            remedy = "correct the id of the element, or add the space to the layout"
            yield Complaint(_where(floor), f"there is no space {space} at {site.id}", remedy)
        elif all(row.floor != floor.id for row in site.spaces if row.id == space):
            remedy = f"draw it on the plan of {known[space]}, or correct its floor"
            yield Complaint(_where(floor), f"space {space} stands on {known[space]}, not here", remedy)
