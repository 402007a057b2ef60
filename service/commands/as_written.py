"""Rows as people write them, turned into the contract's JSON, column by column.

A feature may be `"coffee"`, a price `"1.20 EUR"`, a date `2026-12-07`. What the contract itself
prints stays as it is.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from models.errors import BadInput
from service.commands.written_values import (
    MESSAGES,
    TIME,
    enum_name,
    hint,
    text_of,
    time_of,
    told,
)


class RowReader:
    """Turns the columns of rows of one kind into JSON that the contract's messages are read from.

    `without_zone` counts the times that said no zone, and were read as UTC.
    """

    def __init__(self, kind: type[Message]) -> None:
        described: Any = kind.DESCRIPTOR
        self._fields = _by_name(described.fields)
        self._names = _names(described.fields)
        self.without_zone = 0

    def column(self, name: str, value: Any) -> Any:
        """Return the contract's JSON of a column; raises `BadInput` naming it."""
        field = self._fields.get(name)
        if field is None:
            raise BadInput(name, f"no such field; {hint(name, self._names)}")
        return self._field(field, value, name)

    def _field(self, field: FieldDescriptor, value: Any, at: str) -> Any:
        if value is None:
            return None
        if _is_map(field):
            return self._map(field, value, at)
        if not field.is_repeated:
            return self._value(field, value, at)
        listed = value if isinstance(value, list) else [value]
        return [self._value(field, one, f"{at}[{row}]") for row, one in enumerate(listed)]

    def _map(self, field: FieldDescriptor, value: Any, at: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise BadInput(at, f'{told(value)}: want an object such as {{"name": "value"}}')
        of = _fields(field)["value"]
        if of.cpp_type != of.CPPTYPE_STRING:
            return {name: self._value(of, one, f"{at}.{name}") for name, one in value.items()}
        for name, one in value.items():
            if not isinstance(one, _SCALARS):  # not told: attributes are personal
                raise BadInput(f"{at}.{name}", "want a text, a number, true or false")
        return {name: text_of(one, f"{at}.{name}") for name, one in value.items()}

    def _value(self, field: FieldDescriptor, value: Any, at: str) -> Any:
        if field.enum_type is not None:
            return enum_name(field.enum_type, value, at)
        if field.message_type is not None:
            return self._message(field, value, at)
        if not _fits(field, value):
            raise BadInput(at, f"{told(value)}: want {_WANTED[field.cpp_type]}")
        return value

    def _message(self, field: FieldDescriptor, value: Any, at: str) -> Any:
        if field.message_type is Timestamp.DESCRIPTOR:
            return self._time(value, at)
        fields = _fields(field)
        special = MESSAGES.get(_full_name(field))
        if special is not None:
            value = special(value, at)
        names = _names(fields.values())
        if not isinstance(value, dict):
            raise BadInput(at, f"{told(value)}: want an object of {', '.join(names)}")
        for name in value.keys() - fields.keys():
            raise BadInput(f"{at}.{name}", f"no such field; {hint(name, names)}")
        return {name: self._field(fields[name], one, f"{at}.{name}") for name, one in value.items()}

    def _time(self, value: Any, at: str) -> str:
        if not isinstance(value, str):
            raise BadInput(at, f"{told(value)}: {TIME}")
        try:
            message, has_zone = time_of(value)
        except ValueError:
            raise BadInput(at, f"{told(value)}: {TIME}") from None
        self.without_zone += not has_zone
        return message.ToJsonString()


def _is_map(field: FieldDescriptor) -> bool:
    """Tell whether a field is a map, which the descriptor says of its entries only."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _fits(field: FieldDescriptor, value: Any) -> bool:
    """Tell whether a value is one of a plain field; a number may be written as a text.

    That it is finite the server asks for, in the words that it has for all.
    """
    if field.cpp_type == field.CPPTYPE_STRING:
        return isinstance(value, str)
    if field.cpp_type == field.CPPTYPE_BOOL:
        return isinstance(value, bool)
    try:
        number = _NUMBERS[field.cpp_type](value)
    except (TypeError, ValueError, OverflowError):
        return False
    bounds = _BOUNDS.get(field.cpp_type)
    return not isinstance(value, bool) and (bounds is None or bounds[0] <= number <= bounds[1])


def _by_name(fields: Iterable[FieldDescriptor]) -> dict[str, FieldDescriptor]:
    """Return fields by the names that the protos and that JSON has for them."""
    return {name: field for field in fields for name in (field.name, field.camelcase_name)}


@cache
def _fields(field: FieldDescriptor) -> dict[str, FieldDescriptor]:
    """Return the fields of the message that a field is of."""
    return {} if field.message_type is None else _by_name(field.message_type.fields)


def _names(fields: Iterable[FieldDescriptor]) -> list[str]:
    return list(dict.fromkeys(field.name for field in fields))


def _full_name(field: FieldDescriptor) -> str:
    return "" if field.message_type is None else field.message_type.full_name


def _whole(value: Any) -> Any:
    """Return 3 for 3.0, as JSON does not tell them apart."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_SCALARS = (str, bool, int, float)
_NUMBERS: Mapping[int, Callable[[Any], float]] = {
    **dict.fromkeys(
        (
            FieldDescriptor.CPPTYPE_INT32,
            FieldDescriptor.CPPTYPE_INT64,
            FieldDescriptor.CPPTYPE_UINT32,
            FieldDescriptor.CPPTYPE_UINT64,
        ),
        lambda value: int(value, 10) if isinstance(value, str) else operator.index(_whole(value)),
    ),
    FieldDescriptor.CPPTYPE_FLOAT: float,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
}
_BOUNDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_WANTED = {
    **{
        kind: f"a whole number of {32 if most < 2**32 else 64} bits"
        for kind, (_, most) in _BOUNDS.items()
    },
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_STRING: "a text",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
}
