"""A real recording, carried with its licence (see `singh/NOTICE.md`)."""

from pathlib import Path

FOLDER = Path(__file__).parent / "singh"
BLOCKS = ("dec22", "jan10")
SENSING = FOLDER / "sensing-pir.toml"


def readings_of(block: str) -> Path:
    """Give the file of a block's readings."""
    return FOLDER / block / "readings.csv.gz"


def truth_of(block: str) -> Path:
    """Give the file of a block's counted people."""
    return FOLDER / block / "truth.csv.gz"
