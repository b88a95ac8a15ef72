"""Answers as files: tables of the past as CSV, sent as they are read, or as Parquet."""

import io
from collections.abc import Iterator
from enum import StrEnum
from itertools import chain

from fastapi import Response
from fastapi.responses import StreamingResponse

from api.moments import day_at, zone_of
from api.problems import wrong
from perch.adapters.tables.files import MEDIA_TYPES, Format, csv_texts, parquet_needs, write_parquet
from perch.errors import PerchError
from perch.history.tables import Table


class AnswerFormat(StrEnum):
    """How an answer about the past is written."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


def download(table: Table, as_: AnswerFormat, named: str, from_ms: int) -> Response:
    """Answer with a file, named after what is in it; raises ParametersError where the format is not to be had here."""
    format_ = Format(as_)
    day = day_at(from_ms, zone_of(table.site.time_zone))
    headers = {
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{table.site.id}-{named}-{day}.{format_}"',
    }
    if format_ is Format.PARQUET:
        return Response(_parquet(table), headers=headers, media_type=MEDIA_TYPES[format_])
    # What goes wrong with the first piece is still told as a problem; later on the connection breaks off.
    texts = csv_texts(table, table.pieces)
    begun = [text for _, text in zip(range(2), texts, strict=False)]
    return StreamingResponse(_encoded(chain(begun, texts)), headers=headers, media_type=MEDIA_TYPES[format_])


def _encoded(texts: Iterator[str]) -> Iterator[bytes]:
    return (text.encode() for text in texts)


def _parquet(table: Table) -> bytes:
    try:
        parquet_needs()
    except PerchError as error:
        raise wrong("format", f"this server cannot write Parquet: {error.what}; ask for csv") from None
    file = io.BytesIO()
    write_parquet(table, table.pieces, file)
    return file.getvalue()
