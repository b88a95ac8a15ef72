"""The sheet to hang up: what is sensed here, in two sentences, and a code that leads to all of it."""

import segno

from api.pages.assets import assets, text_of
from api.pages.frame import template
from api.pages.languages import NAMES, Language, filled
from api.privacy.shapes import PrivacyAnswer
from api.privacy.words import notice_lines, privacy_words
from perch.model import Site

MODULE = 6
"""Pixels to a module of the code, before print scales it."""


def address_of(origin: str, site: Site | None) -> str:
    """Give the address of the page that the code leads to."""
    return f"{origin}/privacy" if site is None else f"{origin}/privacy?site={site.id}"


def code_of(address: str) -> str:
    """Draw an address as a QR code (SVG): a fifth of it may be torn off or painted over."""
    return segno.make(address, error="q", micro=False).svg_inline(
        scale=MODULE, border=4, omitsize=True, dark="#000", light="#fff"
    )


def sheet(
    of: PrivacyAnswer,
    site: Site | None,
    origin: str,
    language: Language,
    email: str | None = None,
    *,
    alone: bool = False,
) -> str:
    """Write one A4 page, in a language and in short in the other ones; `alone` it loads nothing from anywhere."""
    words = privacy_words(language)
    others = [(other, NAMES[other], notice_lines(of, other)) for other in Language if other is not language]
    address = address_of(origin, site)
    return template("notice.html").render(
        language=language,
        place="" if site is None else site.name,
        lines=notice_lines(of, language),
        others=others,
        code=code_of(address),
        address=address,
        ask=filled(words["ask"], email=email) if email else words["ask_somebody"],
        style=text_of("notice.css") if alone else "",
        assets=assets().path,
    )
