"""The ways between pages, for those whose role allows them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from api.entrance.access import Matter, Reader

_PAGES: Mapping[str, tuple[str, Matter]] = {
    "now": ("/", Matter.LIVE),
    "find": ("/find", Matter.LIVE),
    "manage": ("/manage", Matter.FLEET),
    "week": ("/week", Matter.HISTORY_OF_GROUPS),
    "planning": ("/planning", Matter.HISTORY_OF_GROUPS),
    "comparison": ("/comparison", Matter.HISTORY_OF_GROUPS),
    "report": ("/report", Matter.HISTORY_OF_GROUPS),
}
_CARRIED = {
    "now": ("site", "kind"),
    "find": ("site", "kind"),
    "manage": ("site",),
    "week": ("site", "kind", "from", "to"),
    "planning": ("site", "kind", "from", "to"),
    "comparison": ("site",),
    "report": ("site", "from", "to"),
}
"""What of one page's address is meant for another."""


def ways(reader: Reader, current: str, asked: Mapping[str, str], words: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give the pages that a reader may go to, with what was asked."""
    return [
        {"href": _address(name, asked), "word": words[name], "current": name == current and "page"}
        for name, (_, matter) in _PAGES.items()
        if reader.may_read(matter)
    ]


def _address(name: str, asked: Mapping[str, str]) -> str:
    carried = {key: asked[key] for key in _CARRIED[name] if asked.get(key)}
    path = _PAGES[name][0]
    return f"{path}?{urlencode(carried)}" if carried else path
