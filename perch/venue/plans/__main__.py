"""Write the floor plans of the demo network into the package."""

from pathlib import Path

from perch.venue.plans import kanal, ribeira, tejo

NETWORK = Path(__file__).parent.parent / "network"


def drawn() -> dict[str, str]:
    """Draw every plan, by its path within the network's folder."""
    plans = {"tejo": tejo.floors(), "kanal": kanal.floors(), "ribeira": ribeira.floors()}
    return {f"{site}/{name}": svg for site, floors in plans.items() for name, svg in floors.items()}


if __name__ == "__main__":
    for name, svg in drawn().items():
        (NETWORK / name).write_text(svg, encoding="utf-8")
