"""What callers type or pipe in, turned into messages of the contract.

Everything here raises `BadInput` naming the option, or `BadDataset` naming file, row and column.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1.common_pb2 import Identifier, Money
from throughline.v1.recommendation_pb2 import (
    CONTEXT_KIND_IN_CART,
    CONTEXT_KIND_VIEWING,
    ContextItem,
)

from models.errors import BadDataset, BadInput

MessageT = TypeVar("MessageT", bound=Message)

MONEY_BOUND = 10**15  # no contract holds more; the service has the exact limit

_KINDS = {"view": CONTEXT_KIND_VIEWING, "cart": CONTEXT_KIND_IN_CART}


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


def read_money(text: str, option: str = "--amount") -> Money:
    """Read an amount and its currency, such as `3.50 EUR`."""
    number, _, currency = text.strip().partition(" ")
    try:
        amount = Decimal(number)
    except InvalidOperation:
        amount = Decimal("NaN")
    small = amount.is_finite() and abs(amount) < MONEY_BOUND
    nanos = amount.scaleb(9) if small else Decimal("NaN")
    if not currency or nanos.is_nan() or nanos != nanos.to_integral_value():
        raise BadInput(option, 'want an amount and its currency, such as "3.50 EUR"')
    return Money(currency=currency.strip(), units=int(nanos) // 10**9, nanos=int(nanos) % 10**9)


def read_time(text: str, option: str = "--time") -> Timestamp:
    """Read an RFC 3339 time; without an offset it is UTC. Empty is this computer's present."""
    try:
        when = datetime.fromisoformat(text) if text else datetime.now(UTC)
    except ValueError:
        raise BadInput(option, "want a time such as 2026-03-01T17:30:00Z") from None
    message = Timestamp()
    message.FromDatetime(when if when.tzinfo else when.replace(tzinfo=UTC))
    return message


def json_lines(path: Path, kind: type[MessageT]) -> list[MessageT]:
    """Read a file of one JSON object a line (`-` for stdin) into messages of `kind`.

    Field names are those of the protos. An `identifier` may be a string, `namespace:value`.
    """
    messages = []
    for row, line in _lines(path):
        try:
            given = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadDataset(f"{path}: row {row}: not JSON: {error}") from None
        if not isinstance(given, dict):
            raise BadDataset(f"{path}: row {row}: want one JSON object a line")
        message = kind()
        for column, value in given.items():
            try:
                ParseDict({column: _plain(column, value)}, message)
            except (BadInput, ParseError) as error:
                reason = str(error).partition("\n")[0]
                raise BadDataset(f"{path}: row {row}, column {column}: {reason}") from None
        messages.append(message)
    if not messages:
        raise BadDataset(f"{path}: no rows")
    return messages


def _plain(column: str, value: Any) -> Any:
    if column == "identifier" and isinstance(value, str):
        read = read_identifier(value, "identifier")
        return {"namespace": read.namespace, "value": read.value}
    return value


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
