"""What is written about the numbers is what the product says of them."""

import re
from pathlib import Path

from perch.history.definitions import DEFINITIONS

PAGE = Path(__file__).parent.parent / "docs" / "definitions.md"


def unwrapped(text: str) -> str:
    """Take line breaks and runs of blanks as one blank."""
    return re.sub(r"\s+", " ", text)


def test_the_page_of_definitions_says_what_the_product_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    metrics = page.split("## Metrics")[1].split("\n## ")[0]
    expected = "".join(
        f" ### `{of.id}` — {of.name} Version {of.version}, unit: {of.unit}. {of.text} {of.is_not}"
        for of in DEFINITIONS.values()
    )
    assert unwrapped(metrics).strip() == expected.strip()
