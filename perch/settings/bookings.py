"""`[[bookings]]` in `site.toml`: which spaces have a calendar, and where it is."""

from collections.abc import Set as AbstractSet
from pathlib import Path

from perch.model import BookingFeed
from perch.settings.files import path_beside, read_text
from perch.settings.reading import Reader, RefusedError, identifier, text
from perch.settings.table import Table, refuse_twice

_WAYS = ("file", "url", "url_file")


def read_bookings(parent: Table, folder: Path, spaces: AbstractSet[str]) -> tuple[BookingFeed, ...]:
    """Read the calendars of a site's spaces; each space has one at most."""
    tables = parent.tables("bookings")
    feeds = tuple(_feed(table, folder, spaces) for table in tables)
    refuse_twice(tables, feeds, "space", lambda feed: feed.space)
    return feeds


def web_calendar(value: object) -> str:
    """Read the address of a calendar on the web; it is not shown, for it may be a secret."""
    address = text(value).replace("webcal://", "https://", 1)
    if not address.startswith(("http://", "https://")) or any(not 32 < ord(letter) < 127 for letter in address):
        raise RefusedError("this is no web address", "write it as https://calendar.example/r1.ics")
    return address


def _feed(table: Table, folder: Path, spaces: AbstractSet[str]) -> BookingFeed:
    space = table.need("space", identifier, "")
    if space and space not in spaces:
        table.complain("space", f"there is no space {space}", "name the room whose calendar this is")
    given = [way for way in _WAYS if way in table]
    if len(given) != 1:
        table.complain("", "one of file, url and url_file says where the calendar is", "give just one of them")
    file: Path | None = table.take("file", path_beside(folder), None)
    url = table.take("url", web_calendar, None)
    url = table.take("url_file", _address_in(folder), url)
    table.finish()
    return BookingFeed(space, None if file is None else str(file), url)


def _address_in(folder: Path) -> Reader[str]:
    """Make a reader of names of files that hold an address: one that nobody else may know."""

    def read(value: object) -> str:
        path = folder / text(value)
        try:
            return web_calendar(read_text(path).strip())
        except RefusedError as refused:
            raise RefusedError(f"{path}: {refused.what}", refused.remedy) from None

    return read
