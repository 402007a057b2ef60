"""Files of JSON Lines: one object a line, values as text."""

from itertools import islice
from pathlib import Path

import msgspec
import polars as pl

from training.importing.files.file_format import FileFormat
from training.importing.files.names import ROW
from training.importing.files.opened import opened
from training.importing.files.unreadable import Unreadable


def read_json_lines(
    path: Path, written: FileFormat, reject: Unreadable, limit: int | None = None
) -> pl.DataFrame:
    """Return the rows of `path` as text; a line that is not one JSON object is a reject."""
    decoder = msgspec.json.Decoder(dict[str, object])
    rows: list[int] = []
    kept: list[dict[str, str | None]] = []
    names: dict[str, None] = {}
    with opened(path, written.encoding) as file:
        for row, line in enumerate(islice(filter(str.strip, file), limit), start=1):
            try:
                record = decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                reject(row, "not one JSON object in UTF-8", line)
                continue
            rows.append(row)
            kept.append({name: _as_text(value) for name, value in record.items()})
            names.update(dict.fromkeys(record))
    names.pop(ROW, None)
    data = {
        name: pl.Series([record.get(name) for record in kept], dtype=pl.String()) for name in names
    }
    return pl.DataFrame({ROW: pl.Series(rows, dtype=pl.Int64()), **data})


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
