"""What the numbers of planning mean, as data: each by the name that it has in an answer."""

from collections.abc import Mapping
from types import MappingProxyType

from perch.history.question import Definition

_OBSERVED = "Spaces of which nothing was observed in the whole window are left out, and named."
_ALL = (
    Definition(
        id="desks_for_days",
        name="Enough on a share of days",
        version=1,
        unit="spaces",
        text=(
            "Of each open day of which at least 90 % was observed, the largest number of spaces in use at one moment "
            "is taken. In order of size, the one at place share × (days + 1), rounded up, is enough: one more day like "
            "these exceeds it with no more than the chance that is left. The interval is that of a quantile, 19 times "
            "in 20; unknown spaces count as free at its low end, and as occupied at its high end. Low and high are the "
            "number itself with unknown spaces as free, and as occupied. Fewer than 20 such days give no number. "
            + _OBSERVED
        ),
        is_not="Not a forecast, and not what people would have wanted where all were taken.",
    ),
    Definition(
        id="desks_for_time",
        name="Enough in a share of time",
        version=1,
        unit="spaces",
        text=(
            "The least number of spaces that was not exceeded in the share of open time. Low and high count unknown "
            "spaces as free, and as occupied. " + _OBSERVED
        ),
        is_not="Not what is enough on a share of days, which is more: a day is short if a single moment is.",
    ),
    Definition(
        id="curve",
        name="Shortfall",
        version=1,
        unit="share of days; visits",
        text=(
            "For each number of spaces: the share of days that count on which more were in use at some moment, and how "
            "many more at the day's worst moment, in the mean of those days. Unknown spaces count as free."
        ),
        is_not="Not how often somebody would be turned away: a day counts once, however often it is short.",
    ),
    Definition(
        id="by_group_size",
        name="Rooms by the size of groups",
        version=1,
        unit="rooms",
        text=(
            "For groups of each size, how many rooms at once would have done on the share of days, and the interval of "
            "that, from the same days. A group is as large as it ever was in its session. There is nothing where "
            "somebody was not counted."
        ),
        is_not="Not how many rooms of that size there are, and groups of different sizes need not come at one time.",
    ),
    Definition(
        id="unseen",
        name="With those who found none",
        version=1,
        unit="spaces",
        text=(
            "What would be enough on the share of days if the days' demand is normally distributed, fitted to all days "
            "that count, those on which every space was taken as *at least*."
        ),
        is_not="Not observed: an estimate that holds if its assumption does.",
    ),
    Definition(
        id="turn_aways_per_week",
        name="Turned away per week",
        version=1,
        unit="visits per week",
        text=(
            "A visit is a session: somebody, or a group, at a space. Each that was observed asks for a space of its "
            "kind when it begins; for a room, one with seats enough. Where none is left it is turned away, and does "
            "not come again. Those per week are the mean of the window; the interval is from the differences between "
            "whole weeks, 19 times in 20. Low and high replay with unknown time as free, and as occupied. There is no "
            "number for hours that are closed today: nobody knows who would come. " + _OBSERVED
        ),
        is_not=(
            "Not people, who may come several times. Not those who came, saw that all was taken and left unseen: they "
            "are missing from today's sessions too."
        ),
    ),
    Definition(
        id="full_hours_per_week",
        name="Hours per week in which all are taken",
        version=1,
        unit="hours per week",
        text=(
            "Opening hours in the replay in which every space of some kind concerned was taken, per week; by kind, "
            "those in which all of that kind were. Low and high as for those turned away."
        ),
        is_not="Not hours in which somebody was turned away: nobody may have come in them.",
    ),
    Definition(
        id="peak_concurrent",
        name="Most in use at one moment",
        version=1,
        unit="spaces",
        text=(
            "The largest number of spaces of the kinds concerned that were taken at one moment of opening hours in the "
            "replay. Low and high as for those turned away."
        ),
        is_not="Not what was observed, but what the replay comes to: who is turned away takes no space.",
    ),
    Definition(
        id="difference",
        name="Before and after",
        version=1,
        unit="",
        text=(
            "The number after less the number before. A period's number is the mean, over the weekdays that both "
            "periods have, of the mean of that weekday's open days; days of which less than 90 % was observed are left "
            "out. The interval is from how the weeks of each period differ among themselves (Welch), 19 times in 20; "
            "it needs four weeks on each side. With a control zone each day counts as its difference to the same day "
            "there. Low and high are from each day's low and high. Spaces of which nothing was observed in either "
            "period are left out, and named."
        ),
        is_not="Not proof of a cause: whatever else changed between the two periods is in it as well.",
    ),
)

PLANS: Mapping[str, Definition] = MappingProxyType({definition.id: definition for definition in _ALL})
"""Every number of planning by its name."""
