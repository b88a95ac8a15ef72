"""How Sphinx makes the site of these pages (`make docs`): no script, font or picture of it comes from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from perch import __version__

project = "Perch"
version = release = __version__
copyright = "the authors of Perch, Apache-2.0"  # noqa: A001  # Sphinx's name
extensions = ["myst_parser"]
exclude_patterns = ["images", "diagrams"]
nitpicky = True
myst_heading_anchors = 3
highlight_language = "text"
suppress_warnings = ["misc.highlighting_failure"]  # answers are shown with … for what was left out

html_theme = "alabaster"
html_title = f"Perch {__version__}"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "description": "Which desks and rooms are free, honestly",
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
    "page_width": "72rem",
    "body_max_width": "52rem",
    "sidebar_width": "17rem",
    "fixed_sidebar": True,
    "show_powered_by": False,
}

OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)#\s]+)\)")
"""A link to a file of the source that is no page."""


def name_files_of_the_source(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Say of files that are no pages where they are in the source: the site may be read where that is not."""
    source[0] = OUTSIDE.sub(_named, source[0])


def _named(link: re.Match[str]) -> str:
    text, path = link.groups()
    return text if path in text else f"{text} (`{path}` in the source)"


ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe|source|video|object|embed)\b[^>]*?\b(?:src|srcset|data|poster)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|<link\b[^>]*?\bhref=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|(?:@import\s+|url\()\s*["']?((?:https?:)?//[^"'\s)]+)""",
    re.IGNORECASE,
)
"""What a browser fetches by itself, from another server."""


def refuse_what_lies_elsewhere(app: Sphinx, failure: Exception | None) -> None:
    """Fail where a page would fetch something from another server, which a reader may not have or may not want."""
    found = [] if failure else [*fetched_from_elsewhere(Path(app.outdir))]
    if found:
        raise ExtensionError("pages fetch from elsewhere: " + ", ".join(found))


def fetched_from_elsewhere(site: Path) -> Iterator[str]:
    """Give, for each file of a site, the addresses on other servers that it makes a browser fetch."""
    for file in sorted(file for file in site.rglob("*") if file.suffix in {".html", ".css", ".svg"}):
        for addresses in ELSEWHERE.findall(file.read_text(encoding="utf-8")):
            yield f"{file.relative_to(site)}: {''.join(addresses)}"


def setup(app: Sphinx) -> None:
    """Let Sphinx ask for what is above."""
    app.connect("source-read", name_files_of_the_source)
    app.connect("build-finished", refuse_what_lies_elsewhere)
