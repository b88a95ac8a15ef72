"""The demo network: three invented places, sixty spaces, two time zones."""

from pathlib import Path

FOLDER = Path(__file__).parent
SITES = ("tejo", "kanal", "ribeira")

RECORDED = ("kanal", "pi-panke")
"""The agent whose room replays a real recording."""

FLAKY = ("ribeira", "pi-garden")
"""The agent that dies and comes back now and then."""
