"""What lies on the disks of yesterday is read by the Perch of today."""

from perch import codes
from perch.model import Clock, Dating, Reason, State


def test_every_state_reason_and_clock_has_exactly_one_code() -> None:
    assert sorted(codes.STATE_CODES) == sorted(State) == sorted(codes.STATES)
    assert sorted(codes.REASON_CODES) == sorted(Reason) == sorted(codes.REASONS)
    assert sorted(codes.CLOCK_CODES) == sorted(Clock) == sorted(codes.CLOCKS)
    assert sorted(codes.DATING_CODES) == sorted(Dating) == sorted(codes.DATINGS)


def test_codes_that_are_on_disks_stay_what_they_are() -> None:
    """New ones may follow; these are written out here once more, so that nobody reorders both by accident."""
    on_disks = "motion presence count held quiet starting agent-offline sensor-silent sensor-stuck events-lost"
    reasons = [*on_disks.split(), "out-of-service", "never-reported"]
    assert codes.STATES[:3] == ("free", "occupied", "unknown")
    assert list(codes.REASONS[:12]) == reasons
    assert codes.CLOCKS[:2] == ("ok", "unsynced")
    assert codes.DATINGS[:3] == ("ok", "placed", "estimated")


def test_a_code_is_the_place_of_its_word() -> None:
    assert [codes.STATES[code] for code in codes.STATE_CODES.values()] == list(codes.STATE_CODES)
    assert [codes.REASONS[code] for code in codes.REASON_CODES.values()] == list(codes.REASON_CODES)
    assert [codes.CLOCKS[code] for code in codes.CLOCK_CODES.values()] == list(codes.CLOCK_CODES)
    assert [codes.DATINGS[code] for code in codes.DATING_CODES.values()] == list(codes.DATING_CODES)


def test_the_codes_of_a_row_fit_into_its_byte() -> None:
    assert len(codes.REASONS) <= 16
    assert max(len(codes.STATES), len(codes.DATINGS)) <= 4
