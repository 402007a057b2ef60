"""Features of a customer for retrieval: history and attributes as weighted columns.

A column is a name such as `purchase:milk` (type and item), `purchase@store:milk` (with the channel)
or `call@call_center` (an event without an item). The weight of an event is its type's weight times
its decay, and the history is normalised as a whole. Training builds its matrices from the same
function, so a column means the same on both sides.
"""

from collections.abc import Mapping
from math import isqrt
from typing import Literal, NamedTuple

import msgspec

from models.fixed import BITS, ONE, product, scale
from models.profile import Entry, View

DAY = 86_400_000_000  # microseconds
CONSTANT = "constant"
TYPE_WEIGHTS: Mapping[str, float] = {
    "purchase": 1.0,
    "add_to_cart": 1.0,
    "view": 1.0,
    "click": 1.0,
    "redeem": 1.0,
    "session": 1.0,
    "call": 1.0,
}


class HistoryConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How history becomes columns.

    `length` latest acts count. `decay` is by `step` (the factor per act), by `age` (the factor per
    day; undated acts do not decay) or `none`. `types` gives each event type its weight; others do
    not count. Types in `by_channel` get a column with their channel beside the plain one.
    """

    length: int = 50
    decay: Literal["step", "age", "none"] = "step"
    factor: float = 0.95
    types: dict[str, float] = msgspec.field(default_factory=lambda: dict(TYPE_WEIGHTS))
    by_channel: tuple[str, ...] = ()


class Column(NamedTuple):
    """One weighted column of a customer; `weight` in units of 2^-20."""

    name: str
    weight: int
    type: str
    item: str


def history_columns(view: View, config: HistoryConfig, minute: int) -> list[Column]:
    """Return the history columns of a customer at `minute` (microseconds), oldest first.

    The weights of all columns together have Euclidean length 1; no history gives no columns.
    """
    acts = view.history(config.length, config.types)
    columns: list[Column] = []
    decay = ONE
    factor = scale(config.factor)
    for entry in reversed(acts):
        if config.decay == "age":
            decay = _aged(entry, factor, minute)
        weight = product(scale(config.types[entry.type]), decay)
        if config.decay == "step":
            decay = product(decay, factor)
        for name in _names(entry, config):
            columns.append(Column(name, weight, entry.type, entry.item))
    columns.reverse()
    length = isqrt(sum(column.weight**2 for column in columns))
    if length == 0:
        return []
    return [
        column._replace(weight=((column.weight << BITS) + length // 2) // length)
        for column in columns
    ]


def attribute_columns(view: View) -> list[Column]:
    """Return the constant and one column for each attribute, `attribute=value`, all of weight 1."""
    names = [CONSTANT, *(f"{name}={value}" for name, value in view.attributes.items())]
    return [Column(name, ONE, "", "") for name in names]


def _names(entry: Entry, config: HistoryConfig) -> list[str]:
    if not entry.item:
        return [f"{entry.type}@{entry.channel}"]
    names = [f"{entry.type}:{entry.item}"]
    if entry.type in config.by_channel:
        names.append(f"{entry.type}@{entry.channel}:{entry.item}")
    return names


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
