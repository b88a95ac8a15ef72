"""What stands where at a moment: what the API shows and what the collector counts are the same."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from perch.history.calendar import Calendar
from perch.history.layout import layout_at
from perch.history.source import END_MS
from tests.history_cases import HOUR_MS, TURNING_DAYS, day_ms, layouts, site
from tests.serving import a_site, a_space

MOVED = date(2026, 11, 3)


def test_a_layout_holds_until_the_next_row_of_any_site_begins_or_ends() -> None:
    near = a_site("near", spaces=(a_space("d02", valid_until=MOVED), a_space("d01", agent=None)))
    far = a_site("far", time_zone="Asia/Kathmandu", spaces=(a_space("d02", valid_from=MOVED),))
    begins, ends = day_ms("Asia/Kathmandu", MOVED), day_ms("Europe/Lisbon", MOVED)
    early = layout_at((near, far), begins - 1)
    assert (list(early.spaces), early.until_ms) == ([("near", "d01"), ("near", "d02")], begins)
    both = layout_at((near, far), begins)
    assert both.homes == {("far", "d02"): "pi-1", ("near", "d01"): "", ("near", "d02"): "pi-1"}
    assert both.until_ms == ends
    late = layout_at((near, far), ends)
    assert (list(late.spaces), late.until_ms) == ([("far", "d02"), ("near", "d01")], END_MS)


@given(st.data())
def test_a_moment_has_the_rows_of_its_own_local_day_until_another_comes(data: st.DataObject) -> None:
    zone, day = data.draw(st.sampled_from(TURNING_DAYS))
    place = site(*data.draw(layouts(day)), zone=zone)
    calendar = Calendar(zone, place.hours)
    ms = day_ms(zone, day) + data.draw(st.integers(-30 * HOUR_MS, 60 * HOUR_MS))
    found = layout_at((place,), ms)
    for moment in (ms, min(found.until_ms - 1, ms + 100 * HOUR_MS)):
        today = sorted(place.spaces_on(calendar.day_of(moment)), key=lambda row: row.id)
        assert list(found.spaces.values()) == today
