"""What callers type or pipe in, turned into messages of the contract.

Everything here raises `BadInput` naming the option, or `BadDataset` naming file, row and column.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1.common_pb2 import Identifier
from throughline.v1.recommendation_pb2 import (
    CONTEXT_KIND_IN_CART,
    CONTEXT_KIND_VIEWING,
    ContextItem,
)

from models.errors import BadDataset, BadInput
from service.commands.as_written import RowReader
from service.commands.terminal import error_console
from service.commands.written_values import TIME, time_of

MessageT = TypeVar("MessageT", bound=Message)

_KINDS = {"view": CONTEXT_KIND_VIEWING, "cart": CONTEXT_KIND_IN_CART}


@dataclass(frozen=True)
class FileRows(Generic[MessageT]):
    """The messages of a file, and on which line of it, from 1, each stands."""

    path: Path
    messages: list[MessageT] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def place(self, at: int) -> str:
        """Return where the message of this index stands, as errors tell it."""
        return f"{self.path}: row {self.lines[at]}"


def read_identifier(text: str, option: str = "--id") -> Identifier:
    """Read `namespace:value`, such as `loyalty:L1`."""
    namespace, colon, value = text.partition(":")
    if not (namespace and colon and value):
        raise BadInput(option, "want namespace:value, such as loyalty:L1")
    return Identifier(namespace=namespace, value=value)


def read_identifier_pair(a: str, b: str) -> tuple[Identifier, Identifier]:
    """Read two of `namespace:value` that are to be linked, or no longer."""
    return read_identifier(a, "the first identifier"), read_identifier(b, "the second identifier")


def read_identifiers(texts: Sequence[str]) -> list[Identifier]:
    """Read one or more of `namespace:value`."""
    if not texts:
        raise BadInput("--id", "want at least one, such as --id loyalty:L1")
    return [read_identifier(text) for text in texts]


def read_context_item(text: str) -> ContextItem:
    """Read `view:ITEM` or `cart:ITEM`."""
    kind, colon, item = text.partition(":")
    if kind not in _KINDS or not (colon and item):
        raise BadInput("--context", "want view:ITEM or cart:ITEM")
    return ContextItem(item_id=item, kind=_KINDS[kind])


def read_pair(text: str, option: str) -> tuple[str, str]:
    """Read `name=value`; the value may be empty."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise BadInput(option, "want name=value")
    return name, value


def read_time(text: str, option: str = "--time") -> Timestamp:
    """Read a time, or a date, which is its start; without a zone it is UTC.

    Empty is this computer's present.
    """
    if not text:
        message = Timestamp()
        message.FromDatetime(datetime.now(UTC))
        return message
    try:
        return time_of(text)[0]
    except ValueError:
        raise BadInput(option, TIME) from None


def json_lines(path: Path, kind: type[MessageT]) -> FileRows[MessageT]:
    """Read a file of one JSON object a line (`-` for stdin) into messages of `kind`.

    Field names are those of the protos, values as people write them or as the contract prints them.
    Says on stderr how many times were read as UTC since they said no zone.
    """
    rows = FileRows[MessageT](path)
    reader = RowReader(kind)
    for row, line in _lines(path):
        message = kind()
        for column, value in _object(line, f"{path}: row {row}").items():
            try:
                ParseDict({column: reader.column(column, value)}, message)
            except BadInput as error:
                raise BadDataset(f"{path}: row {row}, column {error}") from None
            except ParseError as error:
                # Not expected of what the reader took; it is told at least, and never raised on.
                reason = str(error).partition("\n")[0]
                raise BadDataset(f"{path}: row {row}, column {column}: {reason}") from None
        rows.messages.append(message)
        rows.lines.append(row)
    if not rows.messages:
        raise BadDataset(f"{path}: no rows")
    if reader.without_zone:
        told = f"{path}: read as UTC, since they say no zone: {reader.without_zone:,} times"
        error_console().print(told, markup=False, soft_wrap=True)
    return rows


def _object(line: str, where: str) -> dict[str, Any]:
    """Return the JSON object of a line; `where` it stands is told of what is none."""
    try:
        given = json.loads(line, object_pairs_hook=_named_once)
    except RecursionError:
        raise BadDataset(f"{where}: not JSON that anybody writes: nested too deeply") from None
    except BadInput as error:
        raise BadDataset(f"{where}, column {error}") from None
    except ValueError as error:
        reason = str(error).replace("line 1 column", "at character").partition(" (char")[0]
        raise BadDataset(f"{where}: not JSON: {reason}") from None
    if not isinstance(given, dict):
        raise BadDataset(f"{where}: want one JSON object a line")
    # The file is UTF-8, so that only an escape can say half of a character.
    for column, value in given.items() if "\\u" in line else ():
        try:
            f"{column}{json.dumps(value, ensure_ascii=False)}".encode()
        except UnicodeEncodeError:
            name = column.encode(errors="backslashreplace").decode()
            raise BadDataset(
                f"{where}, column {name}: half of a character (\\ud800 to \\udfff); "
                "write both halves, or the character itself in UTF-8"
            ) from None
    return given


def _named_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, of which no name may stand twice: one of them would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise BadInput(next(name for name in names if names.count(name) > 1), "stands twice")
    return found


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise BadDataset(
            f"{path}: row {row}: not UTF-8; convert it, such as by iconv -f ENCODING -t UTF-8"
        ) from None
    for row, line in enumerate(text.split("\n"), start=1):  # a text may hold other line ends
        if line.strip():
            yield row, line
