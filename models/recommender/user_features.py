"""Features of a customer for retrieval: history and attributes as weighted columns.

A column is a name such as `purchase:milk` (type and item), `purchase@store:milk` (with the channel)
or `call@call_center` (an event without an item). The weight of an event is its type's weight times
its decay, and the history is normalised as a whole. Training builds its matrices from the same
function, so a column means the same on both sides.
"""

from collections.abc import Sequence
from functools import cache
from math import isqrt
from typing import Literal, NamedTuple

import msgspec

from models.clock_time import DAY
from models.domain.entry import Entry
from models.domain.event_types import TYPE_WEIGHTS
from models.domain.view import View
from models.numeric.fixed import BITS, ONE, product, scale

CONSTANT = "constant"


class HistoryConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How history becomes columns.

    `length` latest events count. `decay` is by `step` (the factor per event), by `age` (the factor
    per day; undated events do not decay) or `none`. `types` gives each event type its weight;
    others do not count. Types in `by_channel` get a column with their channel beside the plain one.
    `responses` are the types by which a customer responds to an offer, where that is learnt.
    """

    length: int = 50
    decay: Literal["step", "age", "none"] = "step"
    factor: float = 0.95
    types: dict[str, float] = msgspec.field(default_factory=lambda: dict(TYPE_WEIGHTS))
    by_channel: tuple[str, ...] = ()
    responses: tuple[str, ...] = ()


class UserFeature(NamedTuple):
    """One weighted column of a customer; `weight` in units of 2^-20."""

    name: str
    weight: int
    type: str
    item: str


def history_features(view: View, config: HistoryConfig, minute: int) -> list[UserFeature]:
    """Return the history columns of a customer at `minute` (microseconds), oldest first.

    The weights of all columns together have Euclidean length 1; no history gives no columns.
    """
    events = view.history(config.length, config.types)
    type_weights = {kind: scale(weight) for kind, weight in config.types.items()}
    factor = scale(config.factor)
    if config.decay == "age":
        decays: Sequence[int] = [_aged(entry, factor, minute) for entry in events]
    elif config.decay == "step":
        decays = _steps(factor, config.length)[config.length - len(events) :]
    else:
        decays = [ONE] * len(events)
    named: list[tuple[str, int, Entry]] = []
    for entry, decay in zip(events, decays, strict=True):
        kind, item = entry.type, entry.item
        weight = (type_weights[kind] * decay + ONE // 2) >> BITS
        if not item:
            named.append((f"{kind}@{entry.channel}", weight, entry))
            continue
        named.append((f"{kind}:{item}", weight, entry))
        if kind in config.by_channel:
            named.append((f"{kind}@{entry.channel}:{item}", weight, entry))
    length = isqrt(sum(weight * weight for _, weight, _ in named))
    if length == 0:
        return []
    half = length // 2
    return [
        UserFeature(name, ((weight << BITS) + half) // length, entry.type, entry.item)
        for name, weight, entry in named
    ]


def attribute_features(view: View) -> list[UserFeature]:
    """Return the constant and one column for each attribute, `attribute=value`, all of weight 1."""
    names = [CONSTANT, *(f"{name}={value}" for name, value in view.attributes.items())]
    return [UserFeature(name, ONE, "", "") for name in names]


@cache
def _steps(factor: int, length: int) -> tuple[int, ...]:
    """Return the decays of the latest `length` events, oldest first."""
    decays = [ONE]
    while len(decays) < length:
        decays.append(product(decays[-1], factor))
    return tuple(reversed(decays))


def _aged(entry: Entry, factor: int, minute: int) -> int:
    if entry.rank == 0:
        return ONE
    days = max(0, minute - entry.at) // DAY
    weight, base = ONE, factor
    while days:  # factor ** days by squaring, in fixed point
        if days & 1:
            weight = product(weight, base)
        base = product(base, base)
        days >>= 1
    return weight
