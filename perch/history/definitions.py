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
            "Occupied time divided by known time. The hold time of the sensing, in which nobody moves but somebody "
            "may still sit there, counts as occupied. Groups: sum of occupied time divided by sum of known time. The "
            "low bound counts unknown time as free, the high bound as occupied, both divided by inventory time."
        ),
        is_not=(
            "Not how many people came, not how full a space was, not the share of spaces in use at the busiest moment."
        ),
    ),
    Definition(
        id="capacity_used_ratio",
        name="Capacity used",
        version=1,
        unit="ratio",
        text=(
            "People times time divided by capacity times known time. A desk or booth holds one person while it is "
            "occupied, elsewhere people are what was counted. Groups: sum divided by sum. The low bound takes nobody "
            "to have been there in unknown time, the high bound every seat to have been taken. There is no number "
            "where a space has no capacity, or was occupied without a count."
        ),
        is_not="Not the share of time in which a space was in use: one person in a room for ten uses a tenth of it.",
    ),
    Definition(
        id="fill_when_used",
        name="Fill when used",
        version=1,
        unit="ratio",
        text=(
            "People times time divided by capacity times occupied time, people counted as for capacity used. The "
            "bounds are the least and the largest that come of taking unknown time as free, as occupied by one person "
            "in each space, and as occupied to the last seat. There is no number where capacity used has none."
        ),
        is_not="Not how often a space was in use: empty time does not count at all.",
    ),
    Definition(
        id="peak_concurrent",
        name="Peak",
        version=1,
        unit="spaces",
        text=(
            "The largest number of the group's spaces that were occupied at one moment, with the moment at which it "
            "was first reached and how long it lasted in all. Unknown spaces count as free; the high bound counts "
            "them as occupied. Over hours of the week: the mean of the weeks' peaks."
        ),
        is_not="Not a sum of the spaces' or zones' own peaks, which need not fall together.",
    ),
    Definition(
        id="peak_ratio",
        name="Peak share",
        version=1,
        unit="ratio",
        text=(
            "The largest share, at one moment, of the spaces that stood there at that moment and were not out of "
            "service which were occupied. Unknown spaces count as free; the high bound counts them as occupied. Over "
            "hours of the week: the mean of the weeks' peaks."
        ),
        is_not="Not the peak divided by today's number of spaces, and not an average.",
    ),
    Definition(
        id="avg_daily_peak",
        name="Average daily peak",
        version=1,
        unit="spaces",
        text=(
            "The mean, over the local days on which the group had spaces within the hours asked for, of the day's "
            "peak. The high bound counts unknown spaces as occupied. Over hours of the week: the mean of the weeks' "
            "peaks."
        ),
        is_not="Not the peak of an average day: averages hide peaks that fall at other times each day.",
    ),
    Definition(
        id="min_surplus",
        name="Least surplus",
        version=1,
        unit="spaces",
        text=(
            "The smallest number of the group's spaces that were free at one moment. Unknown spaces count as "
            "occupied, for nobody could be sent there; the high bound counts them as free. Over hours of the week: "
            "the mean of the weeks' least."
        ),
        is_not="Not how many spaces could be given up: who found none is not counted.",
    ),
    Definition(
        id="time_full_ratio",
        name="Time full",
        version=1,
        unit="ratio",
        text=(
            "Time in which no space of the group was free, divided by the time in which that is known: because one "
            "was surely free, or all were surely occupied. The bounds divide by all time in which the group had "
            "spaces, and count time in which it is not known as not full, and as full."
        ),
        is_not="Not the mean share of spaces in use.",
    ),
    Definition(
        id="sessions",
        name="Sessions",
        version=1,
        unit="sessions",
        text=(
            "Stays at a space: occupied time, with free gaps of at most `merge_seconds` taken as part of it, that "
            "lasts at least `min_seconds`. A session counts once, at its first moment within the hours asked for. "
            "Unknown time ends a session; the bounds are the least and the largest of this number and the one with "
            "unknown time as occupied. Over hours of the week: the mean of the weeks."
        ),
        is_not="Not people: nobody is recognised, and one person may come several times.",
    ),
    Definition(
        id="turnover",
        name="Turnover",
        version=1,
        unit="sessions per space and day",
        text=(
            "Sessions divided by the number of spaces times local days on which each stood there within the hours "
            "asked for. Bounds as for sessions."
        ),
        is_not="Not how long spaces were in use.",
    ),
    Definition(
        id="dwell_median_seconds",
        name="Median stay",
        version=1,
        unit="seconds",
        text=(
            "The median length of the sessions that do not border on unknown time, each whole, also where it began "
            "before opening or ended after closing. The bounds are the least and the largest of this, of the median "
            "of all sessions as far as they were seen, and of the median with unknown time as occupied."
        ),
        is_not="Not a mean: a few very long stays do not move it. Not how long one person stayed over a day.",
    ),
    Definition(
        id="never_used",
        name="Never used",
        version=1,
        unit="spaces",
        text=(
            "Spaces without any occupied time in the hours asked for, of which at least 0.9 of the time was observed. "
            "Time that is unknown by the quiet limit alone, because no sensor spoke for 168 hours while the space was "
            "free, counts as observed here. The low bound counts spaces observed all the time, the high bound also "
            "those that were hardly observed. Over hours of the week: the mean of the weeks."
        ),
        is_not="Not proof that nobody wants them: it does not say why.",
    ),
    Definition(
        id="camping",
        name="Camping",
        version=1,
        unit="gaps",
        text=(
            "Gaps of 300 minutes and more between two sessions of one desk on one local day, where the whole gap was "
            "observed as free; each counts where it begins. The bounds are the least and the largest of this number "
            "and those with unknown time as free and as occupied. Over hours of the week: the mean of the weeks."
        ),
        is_not="Not proof that a desk was kept with a jacket: two people may have come.",
    ),
    Definition(
        id="solo_share",
        name="Rooms with one person",
        version=1,
        unit="ratio",
        text=(
            "Of the time in which rooms were in use, the share with one person in them. The bounds take unknown time "
            "as used by more, and by one. There is no number where a room was occupied without a count."
        ),
        is_not="Not a share of all time, and not of desks, booths or lounges.",
    ),
    Definition(
        id="size_mismatch",
        name="Rooms too large",
        version=1,
        unit="ratio",
        text=(
            "Of the time in which rooms were in use, the share with at most half as many people in them as they have "
            "seats. Bounds and missing counts as for rooms with one person; a room without a capacity counts as used "
            "otherwise."
        ),
        is_not="Not a share of all time, and not how many rooms are too large.",
    ),
    Definition(
        id="no_show_rate",
        name="Bookings that nobody came to",
        version=1,
        unit="ratio",
        text=(
            "Bookings in which nobody was there from 5 minutes before their start to 15 minutes after it, divided by "
            "all bookings of which at least 90 % of that time was observed. A booking begins within the window and "
            "the hours asked for; all-day, cancelled and free entries of a calendar are none. The low bound takes "
            "unknown time as occupied, the high bound as free, both divided by all bookings."
        ),
        is_not=(
            "Not who did not come, and not rooms that were taken without a booking: calendars say when and where, "
            "nothing else is read."
        ),
    ),
    Definition(
        id="overruns",
        name="Bookings that overran",
        version=1,
        unit="ratio",
        text=(
            "Bookings after whose end the space stayed occupied for 15 minutes, divided by all bookings of which at "
            "least 90 % of those minutes was observed, and in which somebody was seen from 5 minutes before their "
            "start to their end. Stayed occupied: at no observed moment of them was it free; a hold time counts as "
            "occupied. Which bookings there are, and in which step each counts, is as for bookings that nobody came "
            "to; those without an end or longer than 24 hours are left out, and those over whose end another booking "
            "of the space lasts, or that are followed by one within 20 minutes: nobody can tell who stayed from who "
            "came. The low bound takes unknown time as free, the high bound as occupied."
        ),
        is_not="Not how long people stayed over, and not whether somebody else waited.",
    ),
)

DEFINITIONS: Mapping[str, Definition] = MappingProxyType({definition.id: definition for definition in _ALL})
"""Every metric by its id."""

OF_BOOKINGS = frozenset({"no_show_rate", "overruns"})
"""Metrics for which calendars are read: they say what is booked now, and may have forgotten what was."""
