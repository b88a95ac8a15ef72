"""`docs/accuracy.md`: tables are renewed between their markers, what is written around them stays."""

import re
from collections.abc import Mapping
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"
DOCUMENT, IMAGES = DOCS / "accuracy.md", DOCS / "images"

Renewed = Mapping[str, str]
"""What stands between the markers of a name."""


def write(renewed: Renewed, drawings: Mapping[str, str]) -> None:
    """Renew the document and the drawings in it; raises ValueError where it has no such markers."""
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(), renewed))
    for name, drawing in drawings.items():
        (IMAGES / name).write_text(drawing)


def with_tables(text: str, renewed: Renewed) -> str:
    """Put texts between their markers, `<!-- name -->` and `<!-- /name -->`."""
    for name, inner in renewed.items():
        marked = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        parts = marked.split(text)
        if len(parts) != 2:
            raise ValueError(f"docs/accuracy.md needs one pair of markers <!-- {name} --> and <!-- /{name} -->")
        text = f"{parts[0]}\n{inner}\n\n{parts[1]}"
    return text
