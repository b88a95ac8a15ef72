"""Tables of the past as CSV, gzipped or not, and as Parquet; what is written is never more than one piece in memory.

CSV opens in a spreadsheet: moments are RFC 3339 in the site's offset, wall times are what a spreadsheet takes for a
date, and a text that a spreadsheet would run as a formula begins with an apostrophe.
"""

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import IO, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from perch.adapters.whole_file import whole_file
from perch.errors import Complaint, InputError, PerchError
from perch.history.tables import Column, Kind, Piece, Table
from perch.model import QUARTER_MS

BYTE_ORDER_MARK = "\ufeff"
"""Tells spreadsheets that names are UTF-8; tables without texts are plain ASCII and do without."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Format(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


MEDIA_TYPES: Mapping[Format, str] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}


def check_target(path: Path) -> None:
    """See that a table can be written to a path, and that its format is known; raises InputError, PerchError."""
    if _is_parquet(path):
        parquet_needs()
    elif not path.name.endswith((".csv", ".csv.gz")):
        what = "this says no format that tables are written in"
        raise _refused(path, what, "let the name end in .csv, .csv.gz or .parquet")
    if path.is_dir() or not path.parent.is_dir():
        raise _refused(path, "there is no folder for this file", "name a file in a folder that exists")


def write_table(table: Table, path: Path, passing: Callable[[Iterable[Piece]], Iterable[Piece]] = iter) -> int:
    """Write a table as its name asks for and count its rows; there is a whole file at the end, or none.

    `passing` sees each piece on its way. Raises StorageError, and whatever reading the table raises.
    """
    rows = 0

    def counted() -> Iterator[Piece]:
        nonlocal rows
        for piece in passing(table.pieces):
            rows += len(piece[0])
            yield piece

    with whole_file(path) as file:
        if _is_parquet(path):
            write_parquet(table, counted(), file)
        else:
            _write_csv(table, counted(), file, gzipped=path.name.endswith(".gz"))
    return rows


def csv_texts(table: Table, pieces: Iterable[Piece]) -> Iterator[str]:
    """Give a table as CSV (RFC 4180 but for plain line ends), a text for each piece."""
    mark = BYTE_ORDER_MARK if any(column.kind is Kind.TEXT for column in table.columns) else ""
    yield mark + ",".join(column.name for column in table.columns) + "\n"
    zone = ZoneInfo(table.site.time_zone)
    for piece in pieces:
        text = io.StringIO()
        columns = [_in_csv(column, cells, zone) for column, cells in zip(table.columns, piece, strict=True)]
        csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
        yield text.getvalue()


def write_parquet(table: Table, pieces: Iterable[Piece], file: IO[bytes]) -> None:
    """Write a table as Parquet, a row group for each piece; raises PerchError where pyarrow is not installed."""
    pa, pq = parquet_needs()
    schema = pa.schema(
        [(column.name, _arrow_type(pa, column.kind, table.site.time_zone)) for column in table.columns],
        metadata={"site": table.site.id, "what": table.what, **table.about},
    )
    zone = ZoneInfo(table.site.time_zone)
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for piece in pieces:
            arrays = [
                pa.array(_in_parquet(column, cells, zone), type=type_)
                for column, cells, type_ in zip(table.columns, piece, schema.types, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def parquet_needs() -> tuple[Any, Any]:
    """Give what writes Parquet; raises PerchError where it is not installed."""
    try:
        import pyarrow as pa  # takes most of a second, and only Parquet needs it
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        remedy = "install it with: pip install 'perch-occupancy[export]', or ask for CSV"
        raise PerchError("Parquet needs the package pyarrow, which is not installed", remedy) from None
    return pa, pq


def _is_parquet(path: Path) -> bool:
    return path.name.endswith(".parquet")


def _refused(path: Path, what: str, remedy: str) -> InputError:
    return InputError((Complaint(str(path), what, remedy),))


def _write_csv(table: Table, pieces: Iterable[Piece], file: IO[bytes], *, gzipped: bool) -> None:
    if not gzipped:
        file.writelines(text.encode() for text in csv_texts(table, pieces))
        return
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
        for text in csv_texts(table, pieces):
            packed.write(text.encode())


def _arrow_type(pa: Any, kind: Kind, time_zone: str) -> Any:
    return {
        Kind.MOMENT: pa.timestamp("ms", tz=time_zone),
        Kind.WALL: pa.timestamp("ms"),
        Kind.ID: pa.dictionary(pa.int32(), pa.string()),
        Kind.TEXT: pa.string(),
        Kind.WHOLE: pa.int32(),
        Kind.NUMBER: pa.float64(),
        Kind.FLAG: pa.bool_(),
        Kind.DAY: pa.date32(),
    }[kind]


def _in_parquet(column: Column, cells: Sequence[Any], zone: tzinfo) -> Sequence[Any]:
    if column.kind is not Kind.WALL:
        return cells
    wall: list[int] = _local(cells, zone)[0].tolist()
    return wall


def _in_csv(column: Column, cells: Sequence[Any], zone: tzinfo) -> Sequence[Any]:
    """Write cells as texts, those that nobody knows as empty ones."""
    if column.kind is Kind.MOMENT:
        return _moments(cells, zone)
    if column.kind is Kind.WALL:
        wall_ms, _ = _local(cells, zone)
        return [text.replace("T", " ") for text in _texts(wall_ms, "s")]
    if column.kind is Kind.TEXT:
        return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
    if column.kind is Kind.FLAG:
        return ["true" if cell else "false" for cell in cells]
    return cells


def _moments(cells: Sequence[int | None], zone: tzinfo) -> list[str]:
    there = [ms for ms in cells if ms is not None]
    wall_ms, offsets = _local(there, zone)
    written = [text + offset for text, offset in zip(_texts(wall_ms, "ms"), offsets, strict=True)]
    if len(there) == len(cells):
        return written
    rest = iter(written)
    return ["" if ms is None else next(rest) for ms in cells]


def _texts(wall_ms: npt.NDArray[np.int64], unit: Any) -> list[str]:
    texts: list[str] = np.datetime_as_string(wall_ms.astype("datetime64[ms]"), unit=unit).tolist()
    return texts


def _local(moments_ms: Sequence[int], zone: tzinfo) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Give what clocks show at moments (as ms), and the offset of each; zones change on quarter hours alone."""
    ms = np.array(moments_ms, dtype=np.int64)
    quarters, place = np.unique(ms // QUARTER_MS, return_inverse=True)
    local = [
        datetime.fromtimestamp(quarter * QUARTER_MS // 1000, UTC).astimezone(zone) for quarter in quarters.tolist()
    ]
    offsets_ms = np.array([_offset_ms(moment) for moment in local], dtype=np.int64)
    words = np.array([moment.isoformat()[-6:] for moment in local], dtype=object)
    if not len(ms):
        return ms, []
    return ms + offsets_ms[place], words[place].tolist()


def _offset_ms(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1000)
