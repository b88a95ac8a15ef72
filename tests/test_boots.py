"""What is known of an agent's boots is worked out bit by bit, and is what working out everything anew would give."""

from random import Random

from perch.delivery.boots import NO_BOOTS, Boots, Clocked, Clue
from perch.delivery.placing import is_plain, reached, take

T = 1_790_000_000_000
HOUR_MS = 3_600_000


def clue(dice: Random) -> Clue:
    """Say anything of a few boots and epochs."""
    boot, epoch = dice.choice("abcde") * 16, dice.choice("0123") * 32
    about = dice.choice((boot, boot, dice.choice("abcde") * 16))
    clocks = (Clocked(about, dice.randint(1, 99), T + dice.randrange(-HOUR_MS, HOUR_MS)),)
    return Clue(
        epoch,
        boot,
        T + dice.randrange(30 * HOUR_MS),
        dice.choice((None, 5_000, HOUR_MS)),
        dice.randrange(-1, HOUR_MS),
        dice.choice((None, None, T + dice.randrange(HOUR_MS))),
        dice.random() < 0.4,
        dice.random() < 0.4,
        clocks if dice.random() < 0.25 else (),
        (dice.choice("0123") * 32,) if dice.random() < 0.1 else (),
    )


def test_what_a_clue_stirs_is_placed_as_if_everything_were_placed_anew() -> None:
    for seed in range(400):
        dice, known = Random(seed), NO_BOOTS  # noqa: S311 - nothing secret is drawn
        for _ in range(dice.randint(1, 12)):
            told = clue(dice)
            plain = is_plain(known, told)
            known = reached(known, {(told.boot, told.epoch): told.top_mono_ms}) if plain else take(known, told)
            anew = Boots.of(dict(known.boots), known.lives, known.tellings)
            assert dict(known.placements) == dict(anew.placements), seed
            assert (known.contested, known.tops, known.clocks) == (anew.contested, anew.tops, anew.clocks), seed


def test_a_boot_that_is_new_leaves_the_old_ones_as_they_are() -> None:
    """An agent that restarts a thousand times costs no more each time: what was placed is the very same value."""
    known = NO_BOOTS
    for number in range(200):
        before = known
        known = take(known, Clue(f"{number:032x}", f"{number:016x}", T + number * HOUR_MS, 5_000, 4_000, None, True))
        assert all(known.placements[boot] is at for boot, at in before.placements.items())
