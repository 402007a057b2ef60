"""What is wrong with a part of a policy of which other keys are wrong already.

So that all mistakes are told in one round: what a person mends first hides none of the others.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from models.domain.selectors import Selector
from models.policy.checks import DeclaredNames, Said, rules_of

# What stands for a required key that is missing or of a wrong type; nothing is told of it.
_STAND_INS: Mapping[Any, Any] = {
    str: "x",
    int: 1,
    float: 1.0,
    datetime: datetime.max.replace(tzinfo=UTC),
    Selector: Selector(),
}


def said_of(value: Mapping[str, Any], kind: type[msgspec.Struct], known: DeclaredNames) -> Said:
    """Yield what is wrong with a part beyond the types of its keys, as far as these are right.

    Where a key is not, or there is none of its name, nothing is said of keys that are left out: it
    may be one of them that was meant.
    """
    try:
        yield from rules_of(msgspec.convert(value, kind), known)
        return
    except msgspec.ValidationError:
        right = _right_keys(value, kind)
    stand_ins = {
        field.name: _STAND_INS.get(field.type, ())
        for field in msgspec.structs.fields(kind)
        if field.required and field.name not in right
    }
    for key, wanted in rules_of(kind(**stand_ins, **right), known):
        if key.split(".", 1)[0] in right:
            yield key, wanted


def _right_keys(value: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the keys that are of the right type, as they are read."""
    right = {}
    for field in msgspec.structs.fields(kind):
        if field.name in value:
            try:
                right[field.name] = msgspec.convert(value[field.name], field.type)
            except msgspec.ValidationError:
                continue
    return right
