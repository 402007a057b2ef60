"""One value as people write it, turned into the contract's JSON: an amount, a time, a feature."""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1.common_pb2 import Identifier, Money
from throughline.v1.offer_pb2 import FeatureValues

from models.domain.nearest import nearest
from models.errors import BadInput
from service.commands import amounts

TIME = "want a time such as 2026-03-01T17:30:00Z, or a date such as 2026-03-01"
WRITTEN = 60  # characters that are told of what was written
_BEFORE_ZONE = re.compile(r"\s+(?=([+-][0-9:]+|[Zz])$)")


def time_of(text: str) -> tuple[Timestamp, bool]:
    """Return a time, and whether its zone was said; without one it is UTC, and a date its start.

    Raises `ValueError`.
    """
    message = Timestamp()
    try:
        message.FromJsonString(text)  # nanoseconds and all
    except ValueError:
        when = datetime.fromisoformat(_BEFORE_ZONE.sub("", text.strip()).upper())
        message.FromDatetime(when if when.tzinfo else when.replace(tzinfo=UTC))
        return message, when.tzinfo is not None
    return message, True


def hint(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is meant, or at all of them."""
    names = list(known)
    near = nearest(name, names)
    return f"did you mean {near}?" if near else f"want one of {', '.join(names)}"


def _money(value: Any, at: str) -> Any:
    said = value
    if isinstance(value, str):
        return _checked(lambda: amounts.read_money(value, at), value, at)
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        number, said = value["amount"], value["currency"]
        if isinstance(said, str) and isinstance(number, str | int | float):
            text = number if isinstance(number, str) else _number(number, at)
            return _checked(lambda: amounts.amount_of(text, said, at), value, at)
    elif isinstance(value, dict) and value.keys() <= {"currency", "units", "nanos"}:
        return value
    raise BadInput(at, f"{told(value)}: {amounts.WANT}")


def _checked(read: Callable[[], Money], value: Any, at: str) -> dict[str, Any]:
    try:
        return MessageToDict(read(), preserving_proto_field_name=True)
    except BadInput as error:
        raise BadInput(at, f"{told(value)}: {error.reason}") from None


def _features(value: Any, at: str) -> dict[str, list[str]]:
    if isinstance(value, dict):
        for name in value.keys() - {"values"}:
            raise BadInput(f"{at}.{name}", f"no such field; {_A_FEATURE}")
        value = value.get("values", [])
    listed = value if isinstance(value, list) else [value]
    return {"values": [text_of(one, at) for one in listed]}


def _identifier(value: Any, at: str) -> dict[str, str]:
    """Return an identifier; it is personal, and never told.

    What of it is missing or empty is for the server to tell, in the words that it has for all.
    """
    if isinstance(value, str) and ":" in value:
        namespace, _, name = value.partition(":")
        value = {"namespace": namespace, "value": name}
    given = value if isinstance(value, dict) else {"": value}
    if not given.keys() <= {"namespace", "value"} or not all(
        isinstance(one, str) for one in given.values()
    ):
        raise BadInput(at, "want namespace:value, such as loyalty:L1")
    return given


def enum_name(kind: EnumDescriptor, value: Any, at: str) -> Any:
    """Return the name of a value that may be said without what all of them begin with."""
    first = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    names = [one.name for one in kind.values]
    if isinstance(value, str):
        said = value.strip().upper()
        for name in (said, first + said):
            if name in names:
                return name
    elif not isinstance(value, bool) and value in kind.values_by_number:
        return value
    short = [name.removeprefix(first).lower() for name in names[1:]]
    raise BadInput(at, f"{told(value)}: want one of {', '.join(short)}")


def text_of(value: Any, at: str) -> str:
    """Return a value of a feature, or of an attribute, as the text that it is kept as."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _number(value, at)
    raise BadInput(at, f"{told(value)}: {_A_FEATURE}")


def _number(value: float, at: str) -> str:
    if not math.isfinite(value):
        raise BadInput(at, f"{value}: want a finite number")
    return str(value)


def told(value: Any) -> str:
    """Return what was written, as far as one line has room."""
    text = json.dumps(value)
    return text if len(text) <= WRITTEN else f"{text[:WRITTEN]}..."


_A_FEATURE = "want a text, a number, true or false, or a list of them"
# What reads the messages that people write otherwise than field by field, by their names.
MESSAGES: Mapping[str, Callable[[Any, str], Any]] = {
    Money.DESCRIPTOR.full_name: _money,
    FeatureValues.DESCRIPTOR.full_name: _features,
    Identifier.DESCRIPTOR.full_name: _identifier,
}
