"""What is written for readers leads somewhere, and the site of it too."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from perch.adapters.quarantine.reader import CODES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)#\s]+)")
LINK_TO_HEADING = re.compile(r"\]\(([^)#\s:]*)#([^)\s]+)\)")


def headings(document: Path) -> set[str]:
    """Give what links into a Markdown file may name: its headings as GitHub and MyST write them."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", re.sub(r"[`*]", "", title).lower()).strip().replace(" ", "-") for title in titles}


def missing_headings(document: Path) -> list[str]:
    """Give the links of a Markdown file to headings that are not there."""
    links = LINK_TO_HEADING.findall(document.read_text())
    return [
        f"{name}#{heading}"
        for name, heading in links
        if (target := document.parent / name if name else document).suffix == ".md"
        and target.exists()
        and heading not in headings(target)
    ]


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
    lost = {os.path.relpath(page, ROOT): missing_targets(page) + missing_headings(page) for page in documents}
    assert {name: links for name, links in lost.items() if links} == {}


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "# Its `part`\n[here](page.md#its-part), [no](#other), [there](gone.md), [out](https://a.example/b.md)"
    )
    assert missing_targets(document) == ["gone.md"]
    assert missing_headings(document) == ["#other"]


FOLDERS = "api|benchmarks|collector|dashboards|deploy|docs|examples|perch|scripts|sensor_agent|tests"
MADE_LATER = {"examples/lab/data", "examples/lab/agent-data", "dashboards/*.json"}
"""What pages name that is not in the source: made by commands, or below another folder that they name."""


def test_every_file_and_every_target_of_make_that_a_page_names_is_there() -> None:
    pages = (ROOT / "README.md", ROOT / "SECURITY.md", *DOCS.rglob("*.md"))
    text = "\n".join(page.read_text() for page in pages)
    files = {*re.findall(rf"`((?:{FOLDERS})/[\w./*-]+)`", text)} - MADE_LATER
    assert len(files) > 60
    assert {name for name in files if not any(ROOT.glob(name.rstrip("/")))} == set()
    targets = re.findall(r"^([a-z][a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*re.findall(r"`make ([a-z-]+)", text)} - {*targets} == set()


def test_each_code_of_the_quarantine_is_explained_to_operators() -> None:
    lines = (ROOT / "docs" / "operators.md").read_text().splitlines()
    assert [
        line.split("`")[1] for line in lines[lines.index("| code | what happened | what to do |") + 2 :][: len(CODES)]
    ] == [*CODES]


def test_every_page_is_listed_for_a_reader_once() -> None:
    """In `docs/index.md`, which is the site's first page."""
    blocks = re.findall(r"^```{toctree}\n(.*?)^```", (DOCS / "index.md").read_text(), re.DOTALL | re.MULTILINE)
    listed = [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]
    assert sorted(listed) == sorted({page.stem for page in DOCS.glob("*.md")} - {"index"} | {"decisions/index"})


def test_every_page_begins_with_whom_it_is_for() -> None:
    begins = {page.name: page.read_text()[:400].partition("\n\n") for page in DOCS.glob("*.md")}
    others = {
        name
        for name, (title, _, text) in begins.items()
        if not (title[2:].startswith("For ") or text.startswith("For "))
    }
    assert others == {"index.md"}


def test_a_page_that_fetches_from_elsewhere_is_found(tmp_path: Path) -> None:
    found = runpy.run_path(str(DOCS / "conf.py"))["fetched_from_elsewhere"]
    (tmp_path / "a.html").write_text(
        '<a href="https://a.example/x">a link</a><script src="_static/b.js"></script><link href="c.css">'
        '<script async src="https://b.example/b.js"></script><link rel="stylesheet" href="//c.example/c.css">'
    )
    (tmp_path / "d.css").write_text("@import url(https://d.example/d.css); a { background: url(e.png) }")
    assert [*found(tmp_path)] == [
        "a.html: https://b.example/b.js",
        "a.html: //c.example/c.css",
        "d.css: https://d.example/d.css",
    ]


def test_links_to_files_of_the_source_become_their_path_in_words() -> None:
    source = ["[why](../perch/a.py), [`perch/venue`](../perch/venue), [here](other.md)"]
    runpy.run_path(str(DOCS / "conf.py"))["name_files_of_the_source"](None, "page", source)
    assert source == ["why (`perch/a.py` in the source), `perch/venue`, [here](other.md)"]


def test_committed_diagrams_are_what_their_sources_make(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "scripts" / "draw-diagrams"), str(tmp_path)], check=True, timeout=60)
    made = {picture.name: picture.read_text() for picture in tmp_path.iterdir()}
    assert made.keys() == {f"{source.stem}.svg" for source in (DOCS / "diagrams").iterdir()}
    stale = [name for name, text in made.items() if (DOCS / "images" / name).read_text() != text]
    assert stale == [], "run `make docs`"


def site_of(docs: Path, to: Path) -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does."""
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", str(docs), str(to)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.long
def test_the_site_is_built_with_every_page_and_a_broken_link_fails(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(DOCS, docs)
    built = site_of(docs, tmp_path / "site")
    assert built.returncode == 0, built.stderr
    pages = {str(page.relative_to(docs).with_suffix("")) for page in docs.rglob("*.md")}
    assert {page for page in pages if not (tmp_path / "site" / f"{page}.html").exists()} == set()
    for words, complaint in (("[gone](gone.md)", "gone.md"), ("![](https://a.example/b.png)", "fetch from elsewhere")):
        (docs / "wire.md").write_text(f"# The wire\n\n{words}\n")
        refused = site_of(docs, tmp_path / "site")
        assert refused.returncode != 0
        assert complaint in refused.stderr
