"""What is written for readers leads somewhere."""

import os
import re
import subprocess
from pathlib import Path

from perch.adapters.quarantine_reader import CODES

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\]\(([^)#\s]+)")


def missing_targets(document: Path) -> list[str]:
    """Give the relative links of a Markdown file that point at nothing."""
    links = (
        link for link in LINK.findall(document.read_text()) if "://" not in link and not link.startswith("mailto:")
    )
    return [link for link in links if not (document.parent / link).exists()]


def test_every_relative_link_of_a_document_leads_somewhere() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    documents = [ROOT / name for name in listed.split("\0") if name]
    lost = {os.path.relpath(document, ROOT): missing_targets(document) for document in documents}
    assert {name: links for name, links in lost.items() if links} == {}


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text("[here](page.md#part), [there](gone.md), [out](https://example.org/gone.md)")
    assert missing_targets(document) == ["gone.md"]


def test_each_code_of_the_quarantine_is_explained_to_operators() -> None:
    lines = (ROOT / "docs" / "operators.md").read_text().splitlines()
    assert [
        line.split("`")[1] for line in lines[lines.index("| code | what happened | what to do |") + 2 :][: len(CODES)]
    ] == [*CODES]
