"""The reference of the mapping language, from the declaration that a mapping is read by."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from rich.table import Table

from training.importing.field import Field, Spec
from training.importing.files.file_format import FileFormat
from training.importing.mapping import (
    Condition,
    Customers,
    DatasetSection,
    Events,
    Items,
    Join,
    Links,
    Offers,
    Pivot,
    RowTest,
    Source,
    Truth,
)
from training.terminal import table

# The title of each part, and what declares it.
PARTS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("`[dataset]`", DatasetSection),
    ("Every block", Source),
    ("Keys of `read`", FileFormat),
    ("Keys of a condition", RowTest),
    ("Keys of `join`", Join),
    ("Keys of `pivot`", Pivot),
    ("Keys of `[[events]]`", Events),
    ("Keys of `[[items]]`", Items),
    ("Keys of `[[offers]]`", Offers),
    ("Keys of `[[customers]]`", Customers),
    ("Keys of `[[links]]`", Links),
    ("Keys of `[truth]`", Truth),
    ("Where a column comes from", Field),
)
_TYPES: dict[Any, str] = {
    str: "text",
    bool: "`true` or `false`",
    int: "whole number",
    list[str]: "list of texts",
    list[Join]: "list of joins",
    dict[str, str]: "table of texts",
    FileFormat: "table",
    Pivot: "table",
    Field: "column",
}
_MAPPINGS: dict[Any, str] = {Spec: "table of columns", Condition: "table of conditions"}


class Key(NamedTuple):
    """One key of the language; `default` is "required", "none" or a value of TOML."""

    name: str
    type: str
    default: str
    meaning: str


def keys(declared: type[msgspec.Struct]) -> list[Key]:
    """Return the keys that a part has beyond those of every block."""
    hints = get_type_hints(declared, include_extras=True)
    fields = msgspec.structs.fields(declared)
    if declared is not Source and issubclass(declared, Source):
        fields = tuple(field for field in fields if field.name not in Source.__struct_fields__)
    return [
        Key(
            field.encode_name,
            _type(hints[field.name]),
            _default(field),
            _meaning(hints[field.name]),
        )
        for field in fields
    ]


def schema_report() -> Iterator[Table | str]:
    """Yield the reference as tables for a person to read."""
    yield "A mapping is a TOML file. A `column` is the name of a column of the file, or a table."
    for title, declared in PARTS:
        rows = [(key.name, *(_plain(text) for text in key[1:])) for key in keys(declared)]
        yield table(_plain(title), ("key", "type", "default", "meaning"), (), rows)


def _plain(text: str) -> str:
    return text.replace("`", "")


def _meaning(hint: Any) -> str:
    return str(next(meta.description for meta in hint.__metadata__ if meta.description))


def _type(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{value}"`' for value in get_args(hint))
    if get_origin(hint) is dict and hint not in _TYPES:
        return _MAPPINGS[get_args(hint)[1]]
    if get_origin(hint) in (Union, UnionType):
        ways = [way for way in get_args(hint) if way is not NoneType]
        names = [_type(way) for way in ways]
        return "column" if Field in ways else " or ".join(names)
    return _TYPES[hint]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if default is None or default == [] or default == {} or isinstance(default, msgspec.Struct):
        return "none"
    text = msgspec.json.encode(default).decode()
    return f"`{text}`"
