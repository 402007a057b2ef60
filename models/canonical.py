"""JSON in one spelling: what is hashed, and so what a release's id stands on.

Fields stand in the order of their structs, keys of maps sorted, no space, one newline at the end.
Any other spelling of the same (a key twice, of which parsers take the first or the last, an escaped
letter, 1.50 for 1.5) is refused, so that no two readers can read two things.
"""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_REASON = 200  # characters of a parser's reason that are told


class NotCanonical(ValueError):
    """Bytes that are no JSON of the type, or in another spelling; the text says why."""


def encode_canonical(value: object) -> bytes:
    """Return the canonical JSON of structs, maps, lists and plain values."""
    return msgspec.json.encode(value, order="deterministic") + b"\n"


def decode_canonical(text: bytes, type_: type[T]) -> T:
    """Return the value that `encode_canonical` wrote; raises `NotCanonical` for anything else.

    Fields that an older version did not write yet may be absent.
    """
    value = decode_json(text, type_)
    try:
        full = encode_canonical(value)
        if full != text:
            said = _said(msgspec.json.decode(full), msgspec.json.decode(text))
            if msgspec.json.encode(said) + b"\n" != text:
                raise NotCanonical("not canonical")
    except (UnicodeError, RecursionError, msgspec.MsgspecError):
        raise NotCanonical("not canonical") from None
    return value


def decode_json(text: bytes, type_: type[T]) -> T:
    """Return a value of JSON in any spelling, unknown fields ignored; raises `NotCanonical`."""
    try:
        return msgspec.json.decode(text, type=type_)
    except msgspec.MsgspecError as error:
        reason = ascii(str(error))[1:-1]
        raise NotCanonical(reason[:_REASON]) from None
    except UnicodeError:
        raise NotCanonical("not UTF-8") from None
    except RecursionError:
        raise NotCanonical("nested too deeply") from None


def _said(full: Any, given: Any) -> Any:
    """Return `full` without the fields that `given` leaves out."""
    if isinstance(full, dict) and isinstance(given, dict):
        return {name: _said(value, given[name]) for name, value in full.items() if name in given}
    if isinstance(full, list) and isinstance(given, list):
        return [_said(*pair) for pair in zip(full, given, strict=True)]
    return full
