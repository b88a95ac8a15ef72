"""`[[spaceapi]]` in `perch.toml`: what a site shows to everybody who asks."""

from math import isfinite

from perch.settings.reading import Reader, RefusedError, shown, text
from perch.settings.table import Table, refuse_twice
from perch.settings.values import Face


def read_faces(parent: Table, sites: frozenset[str]) -> tuple[Face, ...]:
    """Read every face; complains of sites that are not there."""
    tables = parent.tables("spaceapi")
    faces = tuple(_face(table, sites) for table in tables)
    refuse_twice(tables, faces, "site", lambda face: face.site)
    return faces


def _face(table: Table, sites: frozenset[str]) -> Face:
    face = Face(
        site=table.need("site", text, ""),
        url=table.need("url", _address, ""),
        logo=table.need("logo", _address, ""),
        email=table.need("email", text, ""),
        address=table.take("address", text, None),
        lat=table.take("lat", _degrees(90), None),
        lon=table.take("lon", _degrees(180), None),
    )
    if face.site and face.site not in sites:
        known = ", ".join(sorted(sites)) or "none"
        table.complain("site", f"there is no site {face.site}", f"name one of those under sites: {known}")
    if ("lat" in table) is not ("lon" in table):
        table.complain("", "lat and lon go together", "give both of them, or neither")
    table.finish()
    return face


def _address(value: object) -> str:
    address = text(value)
    if not address.startswith(("http://", "https://")):
        raise RefusedError(f"{shown(address)} is no web address", "write it as https://harbour.example")
    return address


def _degrees(most: int) -> Reader[float]:
    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or abs(value) > most:
            raise RefusedError(f"{shown(value)} is no number from -{most} to {most}", "write degrees, as 38.71")
        return float(value)

    return read
