"""What is held out of a log, by a configuration's protocol, and what remains to count on."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from training.log.event_log import Log
from training.splits.cases import Split
from training.splits.protocols import last_item_out, last_out, last_share_out, split_by_kind
from training.splits.truth import read_truth

TRUTH = "truth.parquet"


class SplitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is held out.

    `protocol` is `kind` (as the dataset's kind asks), `last` (each customer's last moment of a
    target), `last item` (of it one item, the others are known), `last share` (the last `share` of
    all moments of a target, in an order over all customers) or `truth` (the rows of `truth.parquet`
    beside the tables). `mask` names event types whose items are left out of a customer's list;
    `pair` takes the target out of everything its customer did; `test_days` is the window of timed
    data. `newcomers` is the share of customers who are kept out of all that is learnt and counted,
    to be measured in the last window as if hardly known.
    """

    protocol: Literal["kind", "truth", "last", "last item", "last share"] = "kind"
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1
    mask: tuple[str, ...] = ()
    pair: bool = False
    test_days: int | None = None
    newcomers: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


def held_out(
    dataset: Path, log: Log, targets: tuple[str, ...], config: SplitConfig, seed: int
) -> Split:
    """Return the split that `config` asks for; with `pair`, targets are gone from every behaviour.

    Raises `BadDataset` where a truth is asked for that is not beside the tables.
    """
    if config.protocol == "truth":
        cases = tuple(read_truth(dataset / TRUTH, log, None))
        parts = Split(log, cases, f"the rows of {TRUTH} are the test", None)
    elif config.protocol == "last":
        parts = last_out(log, frozenset(targets))
    elif config.protocol == "last item":
        parts = last_item_out(log, frozenset(targets), seed)
    else:
        parts = window_out(log, targets, config, seed)
    return _without_pairs(parts) if config.pair else parts


def window_out(log: Log, targets: tuple[str, ...], config: SplitConfig, seed: int) -> Split:
    """Return the split that holds out the last window, as it is also cut before the test."""
    if config.protocol == "last share":
        return last_share_out(log, frozenset(targets), config.share)
    return split_by_kind(log, targets, seed, config.test_days)


def _without_pairs(parts: Split) -> Split:
    gone: dict[int, set[str]] = {}
    for case in parts.cases:
        if case.customer is not None:
            gone.setdefault(case.customer, set()).update(target.item for target in case.targets)
    customers = tuple(
        replace(
            customer,
            events=tuple(event for event in customer.events if event.item not in gone.get(at, ())),
        )
        for at, customer in enumerate(parts.training.customers)
    )
    meaning = f"{parts.meaning}; the target is removed from everything its customer did"
    return replace(parts, training=replace(parts.training, customers=customers), meaning=meaning)
