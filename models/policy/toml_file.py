"""A policy from its TOML text, with every mistake told by line and key, and what is wanted."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from models.domain.channels import CHANNELS
from models.domain.decisions import Intent
from models.domain.event_types import EVENT_TYPES, EventType
from models.domain.names import is_name
from models.domain.nearest import did_you_mean
from models.errors import ThroughlineError
from models.policy.checks import DeclaredNames
from models.policy.exact_numbers import DIGITS, Path, with_exact_rates
from models.policy.partial_checks import said_of
from models.policy.schema import Policy

BYTES = 256 * 1024
MISTAKES = 100  # that are told: to find the line of each takes time
KEY = 40  # characters of a part of a key that are told
PATH = 200  # characters of a whole one

_AT_LINE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")
_NAMED_TABLES = ("intents", "placements")  # tables whose keys are names
_WANTED: tuple[tuple[type[inspect.Type], str], ...] = (
    (inspect.IntType, "a whole number"),
    (inspect.FloatType, "a number"),
    (inspect.StrType, "a text"),
    (inspect.BoolType, "true or false"),
    (inspect.DateTimeType, "a time such as 2026-12-01T00:00:00Z"),
    (inspect.VarTupleType, "a list"),
    (inspect.DictType, "a table"),
)


class Mistake(NamedTuple):
    """One thing that is wrong with a policy's text; lines count from 1."""

    line: int
    key: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.line}: {self.key}: {self.wanted}"


class BadPolicy(ThroughlineError):
    """A policy that must not be used, with everything that is wrong with its text."""

    exit_code = 65  # bad data, as in sysexits.h

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(f"policy: line {mistakes[0]}")
        self.mistakes = mistakes


def read_policy(
    text: str,
    channels: frozenset[str] = frozenset(CHANNELS),
    event_types: Mapping[str, EventType] = EVENT_TYPES,
) -> Policy:
    """Return the policy that `text` says in TOML; raises `BadPolicy` with all that is wrong.

    Of more than `MISTAKES` the first are told. `channels` and `event_types` (each with what it
    behaves like) are those that it may name.
    """
    if len(text.encode(errors="replace")) > BYTES:
        raise BadPolicy((Mistake(1, "file", f"too long; want at most {BYTES} bytes"),))
    try:
        said = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadPolicy((_unparsed(text, error),)) from None
    intents = said.get("intents")
    declared = [*intents] if isinstance(intents, dict) else []
    known = DeclaredNames(channels, event_types, frozenset((*Intent.ALL, *declared)))
    try:
        said, lost = with_exact_rates(said, text)
        wrong = list(islice(_part(said, inspect.type_info(Policy), (), known), MISTAKES))
        wrong += [(path, f"want at most {DIGITS} digits: more are not kept") for path in lost]
        lines = _Lines(text)
        mistakes = {Mistake(lines.line(path), _key(path), wanted) for path, wanted in wrong}
        if not mistakes:
            return msgspec.convert(said, Policy)
    except RecursionError:  # what the parser had just enough room for
        mistakes = {Mistake(1, "file", "nested too deeply")}
    raise BadPolicy(tuple(sorted(mistakes)))


Wrong = Iterator[tuple[Path, str]]


def _part(value: Any, kind: inspect.Type, at: Path, known: DeclaredNames) -> Wrong:
    """Yield what is wrong with a value that should be of `kind`, and all below it."""
    if isinstance(kind, inspect.UnionType):
        kind = _member(value, kind)
        if isinstance(kind, inspect.UnionType):
            kinds = sorted(str(part.tag) for part in kind.types if hasattr(part, "tag"))
            said = value.get("kind") if isinstance(value, dict) else None
            near = did_you_mean(said, kinds) if isinstance(said, str) else ""
            place = at if said is None else (*at, "kind")
            yield place, f"want kind, one of {', '.join(kinds)}{near}"
            return
    if isinstance(kind, inspect.StructType) and not kind.array_like:
        yield from _table(value, kind, at, known)
    elif isinstance(kind, inspect.VarTupleType) and isinstance(value, list):
        if not value:
            yield at, "want at least one, or leave it out"
        for row, entry in enumerate(value):
            yield from _part(entry, kind.item_type, (*at, row), known)
        yield from _twice(value, at)
    elif isinstance(kind, inspect.DictType) and isinstance(value, dict):
        for name, entry in value.items():
            if at and at[-1] in _NAMED_TABLES and not is_name(name):
                yield (*at, name), "want a name: lower-case letters, digits and _, at most 64"
            yield from _part(entry, kind.value_type, (*at, name), known)
            built_in = at == ("intents",) and name in Intent.ALL and isinstance(entry, dict)
            if built_in and entry.get("like", name) != name:
                yield (*at, name, "like"), "is built in; want its own name here"
    elif not _fits(value, kind):
        yield at, f"want {_wanted(kind, value)}"


def _table(value: Any, kind: inspect.StructType, at: Path, known: DeclaredNames) -> Wrong:
    if not isinstance(value, dict):
        yield at, "want a table"
        return
    fields = {field.name: field for field in kind.fields}
    wrong: list[tuple[Path, str]] = []
    for name, entry in value.items():
        if name in fields:
            wrong += _part(entry, fields[name].type, (*at, name), known)
        elif name != kind.tag_field:
            near = did_you_mean(name, fields)
            wrong.append(((*at, name), f"unknown; want one of {', '.join(fields)}{near}"))
    for name, field in fields.items():
        if field.required and name not in value:
            wrong.append((at, f"want {name}"))
    yield from wrong
    for key, wanted in said_of(value, kind.cls, known):
        # What is missing is told at the table that it is missing from. "rates.JPY" is a key below.
        below = key.split(".", 1)
        yield (
            ((*at, *below) if below[0] in value else at),
            (wanted if below[0] in value or not key else f"{key}: {wanted}"),
        )


def _member(value: Any, union: inspect.UnionType) -> inspect.Type:
    """Return the type of a union that a value is meant to be; the union where none is."""
    parts = [part for part in union.types if not isinstance(part, inspect.NoneType)]
    if len(parts) == 1:
        return parts[0]
    plain = [part for part in parts if not isinstance(part, inspect.StructType)]
    if plain:
        return next((part for part in plain if _fits(value, part)), plain[0])
    kind = value.get("kind") if isinstance(value, dict) else None
    tagged = [part for part in parts if getattr(part, "tag", None) == kind and kind]
    return tagged[0] if tagged else union


def _twice(values: list[Any], at: Path) -> Wrong:
    names: set[Any] = set()
    for row, entry in enumerate(values):
        name = entry.get("name") if isinstance(entry, dict) and "kind" not in entry else None
        if isinstance(name, str):
            if name in names:
                yield (*at, row, "name"), "is there twice; want another name"
            names.add(name)


def _fits(value: Any, kind: inspect.Type) -> bool:
    if isinstance(value, bool):
        return isinstance(kind, inspect.BoolType)
    match kind:
        case inspect.IntType():
            return isinstance(value, int)
        case inspect.FloatType():
            return isinstance(value, int | float)
        case inspect.StrType():
            return isinstance(value, str)
        case inspect.DateTimeType():
            return isinstance(value, datetime)
        case inspect.LiteralType():
            return value in kind.values
        case inspect.StructType():
            return _is(value, kind.cls)
    return False


def _is(value: Any, cls: type[Any]) -> bool:
    try:
        msgspec.convert(value, cls)
    except msgspec.ValidationError:
        return False
    return True


def _wanted(kind: inspect.Type, value: Any) -> str:
    if isinstance(kind, inspect.LiteralType):
        right = [str(one) for one in kind.values]
        near = did_you_mean(value, right) if isinstance(value, str) else ""
        return f"one of {', '.join(right)}{near}"
    return next((said for of, said in _WANTED if isinstance(kind, of)), 'money such as ["EUR", 1]')


def _key(path: Path) -> str:
    said = "".join(f"[{part}]" if isinstance(part, int) else f".{_name(part)}" for part in path)
    return said.removeprefix(".")[:PATH] or "policy"


def _name(part: str) -> str:
    """Return a key as it may be printed: whatever else it holds than a name is escaped and cut."""
    return part if len(part) <= KEY and part.isprintable() else ascii(part[:KEY])


def _unparsed(text: str, error: Exception) -> Mistake:
    """Return what a parser says of a text that is not TOML."""
    found = _AT_LINE.search(str(error))
    line = int(found[1]) if found and found[1] else max(1, len(text.splitlines()))
    reason = _AT_LINE.sub("", str(error)) if found else "nested too deeply"
    return Mistake(line, "file", f"not TOML: {reason}")


class _Lines:
    """Where the keys of a text that parses stand."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._kept: dict[int, dict[str, Any] | None] = {}

    def line(self, path: Path) -> int:
        """Return the line, from 1, of a path or of what it is missing from."""
        while path and not self._holds(len(self._lines), path):
            path = path[:-1]
        if not path:
            return 1
        # The least number of leading lines that hold it ends the statement that gives it.
        end = bisect_left(range(len(self._lines)), True, key=lambda at: self._holds(at, path))
        before = end - 1
        while before > 0 and self._parsed(before) is None:
            before -= 1
        key = next((part for part in reversed(path) if isinstance(part, str)), "")
        word = re.compile(rf"(?<![\w-])[\"']?{re.escape(key)}[\"']?\s*[=\].]")
        said = [at for at in range(before, end) if word.search(self._lines[at])]
        if said and not isinstance(path[-1], int):
            return said[0] + 1 if len(said) == 1 else self._nth(said, path)
        return self._first(before, end)

    def _nth(self, said: list[int], path: Path) -> int:
        """Return which of several lines that name a key gives it: the row's of its list."""
        rows = [part for part in path if isinstance(part, int)]
        return said[min(rows[-1] if rows else 0, len(said) - 1)] + 1

    def _first(self, before: int, end: int) -> int:
        """Return the first line of a statement that is no comment and not empty."""
        for at in range(before, end):
            if self._lines[at].strip() and not self._lines[at].lstrip().startswith("#"):
                return at + 1
        return end

    def _holds(self, count: int, path: Path) -> bool:
        while (value := self._parsed(count)) is None:
            count -= 1
        for part in path:
            try:
                value = value[part]  # type: ignore[index]
            except (KeyError, IndexError, TypeError):
                return False
        return True

    def _parsed(self, count: int) -> dict[str, Any] | None:
        """Return what the first lines say, or None where they end within a statement."""
        if count not in self._kept:
            try:
                self._kept[count] = tomllib.loads("\n".join(self._lines[:count]))
            except tomllib.TOMLDecodeError:
                self._kept[count] = None
        return self._kept[count]
