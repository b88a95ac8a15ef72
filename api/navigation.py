"""The ways between pages, for those whose role allows them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from api.access import Matter, Reader

_PAGES = {"now": "/", "week": "/week", "planning": "/planning", "report": "/report"}
_CARRIED = {
    "now": ("site", "kind"),
    "week": ("site", "kind", "from", "to"),
    "planning": ("site", "kind", "from", "to"),
    "report": ("site", "from", "to"),
}
"""What of one page's address is meant for another."""


def ways(reader: Reader, current: str, asked: Mapping[str, str], words: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give the pages that a reader may go to, with what was asked; none where there is only the one."""
    if not reader.may_read(Matter.HISTORY_OF_GROUPS):
        return []
    return [
        {"href": _address(name, asked), "word": words[name], "current": name == current and "page"} for name in _PAGES
    ]


def _address(name: str, asked: Mapping[str, str]) -> str:
    carried = {key: asked[key] for key in _CARRIED[name] if asked.get(key)}
    return f"{_PAGES[name]}?{urlencode(carried)}" if carried else _PAGES[name]
