"""Read a mapping, and tell what in it is wrong by its key."""

import re
import tomllib
from pathlib import Path

import msgspec
import polars as pl

from models.domain.event_types import EVENT_TYPES, OWN_TYPES
from models.errors import BadInput
from training.importing.field import Field
from training.importing.files.file_format import FileFormat
from training.importing.files.opened import check_encoding
from training.importing.mapping import OF_ROWS, Events, Mapping, RowTest, Source
from training.importing.times import EPOCHS, SHAPES

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def read_mapping(path: Path) -> Mapping:
    """Read a mapping; raises `BadInput` naming the key that is wrong."""
    try:
        mapping = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Mapping)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at ")
        raise BadInput(
            where.strip("`").removeprefix("$").lstrip(".") or "mapping", reason
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise BadInput("mapping", f"not TOML: {error}") from None
    _check(mapping)
    return mapping


def _check(mapping: Mapping) -> None:
    dataset = mapping.dataset
    if dataset.order_over == "dataset" and dataset.kind != "ordered":
        raise BadInput(
            "dataset.order_over", f"a dataset of kind {dataset.kind} has no order of its own"
        )
    for name, like in dataset.event_types.items():
        if like not in EVENT_TYPES or like in OWN_TYPES:
            raise BadInput(f"dataset.event_types.{name}", f"{like!r} is not a built-in event type")
    for key in ("event_types", "channels", "namespaces"):
        for name in getattr(dataset, key):
            if not NAME.fullmatch(name):
                raise BadInput(f"dataset.{key}", f"{name!r} is not a name: [a-z][a-z0-9_]*")
    if not mapping.events:
        raise BadInput("events", "empty; a dataset needs events")
    if not mapping.items and not dataset.add_missing_items:
        raise BadInput("items", "missing; or set dataset.add_missing_items = true")
    for index, events in enumerate(mapping.events):
        _check_order(events, dataset.kind, f"events[{index}]")
    for table in ("events", "items", "offers", "customers", "links"):
        for index, source in enumerate(getattr(mapping, table)):
            _check_fields(source, f"{table}[{index}]", mapping.known_names())
    if mapping.truth is not None:
        _check_fields(mapping.truth, "truth", mapping.known_names())


def _check_order(events: Events, kind: str, key: str) -> None:
    given = [name for name in ("time", "sequence", "order") if getattr(events, name)]
    allowed = {"timed": (["time"],), "ordered": (["sequence"], ["order"]), "undated": ([],)}[kind]
    if given not in allowed:
        must = " or ".join("+".join(names) or "nothing" for names in allowed)
        given_text = " and ".join(given) or "nothing"
        raise BadInput(
            key, f"a dataset of kind {kind} orders events by {must}, not by {given_text}"
        )


def _check_conditions(source: Source, key: str) -> None:
    for name in ("where", "require"):
        for column, condition in getattr(source, name).items():
            if isinstance(condition, RowTest) and condition.matches is not None:
                try:
                    pl.Series([""]).str.contains(condition.matches)
                except pl.exceptions.PolarsError as error:
                    reason = str(error).splitlines()[-1].strip()
                    raise BadInput(f"{key}.{name}.{column}.matches", reason) from None


def _check_format(written: FileFormat, key: str) -> None:
    if written.encoding is not None:
        check_encoding(written.encoding, f"{key}.encoding")
    for name in ("delimiter", "quote"):
        sign = getattr(written, name)
        if sign is not None and len(sign) != 1 and (name, sign) != ("quote", ""):
            raise BadInput(f"{key}.{name}", f"{sign!r} is not one sign")
    if written.decimal is not None and written.decimal in (written.thousands or ""):
        raise BadInput(f"{key}.thousands", "it cannot be the decimal sign, too")


def _check_fields(source: Source, key: str, known: dict[str, frozenset[str]]) -> None:
    _check_conditions(source, key)
    _check_format(source.read, f"{key}.read")
    for index, join in enumerate(source.join):
        _check_format(join.read, f"{key}.join[{index}].read")
        if join.many and not join.columns:
            raise BadInput(
                f"{key}.join[{index}]",
                "many goes with columns: a row becomes one for each of their values",
            )
    for name in source.__struct_fields__:
        if name in OF_ROWS:
            continue
        value = getattr(source, name)
        specs = value if isinstance(value, dict) else {"": value}
        for part, spec in specs.items():
            if isinstance(spec, Field):
                _check_field(spec, ".".join(filter(None, (key, name, part))), known.get(name))


def _check_field(spec: Field, key: str, known: frozenset[str] | None) -> None:
    ways = [way for way in (spec.column, spec.const, spec.template) if way is not None]
    if len(ways) != 1:
        raise BadInput(key, "give exactly one of column, const and template")
    for name in spec.formats():
        if name not in EPOCHS and name not in SHAPES and "%" not in name:
            known_names = ", ".join((*SHAPES, *EPOCHS))
            raise BadInput(f"{key}.format", f"{name!r} is none of {known_names}, nor a pattern")
    if spec.default is not None and spec.map is None:
        raise BadInput(key, "default goes with map")
    if known is not None:
        written = [spec.const, spec.default, *(spec.map or {}).values()]
        for value in written:
            if value is not None and value not in known:
                raise BadInput(key, f"{value!r} is not declared; known are {sorted(known)}")
