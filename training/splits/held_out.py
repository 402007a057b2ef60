"""Hold cases out of a log by the protocol of a configuration; the rest is what training sees."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from models.errors import BadDataset
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
    `pair` removes all events of a customer about the customer's targets; `test_days` is the window
    of timed data. `newcomers` is the share of customers who are kept out of training as cold users
    and measured in the last window.
    """

    protocol: Literal["kind", "truth", "last", "last item", "last share"] = "kind"
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1
    mask: tuple[str, ...] = ()
    pair: bool = False
    test_days: Annotated[int, msgspec.Meta(ge=1, le=3660)] | None = None
    newcomers: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


def held_out(
    dataset: Path, log: Log, targets: tuple[str, ...], config: SplitConfig, seed: int
) -> Split:
    """Return the split that `config` asks for.

    `dataset` is the directory of the tables, `targets` are the event types to predict. Raises
    `BadDataset` where the truth file is malformed, the log has no order that the protocol needs, or
    nothing is left to learn from.
    """
    if config.protocol == "truth":
        cases = tuple(read_truth(dataset / TRUTH, log, None))
        split = Split(log, cases, f"the rows of {TRUTH} are the test", None)
    elif config.protocol == "last":
        split = last_out(log, frozenset(targets))
    elif config.protocol == "last item":
        split = last_item_out(log, frozenset(targets), seed)
    else:
        split = window_out(log, targets, config, seed)
    split = _without_targets(split) if config.pair else split
    types = frozenset(targets)
    learnt = (event for customer in split.training.customers for event in customer.events)
    if not any(event.item and event.type in types for event in learnt):
        raise BadDataset(
            f"events.parquet: no event is left to learn from: {split.meaning}; want events of "
            "several days, or a `split` that holds out less"
        )
    return split


def window_out(log: Log, targets: tuple[str, ...], config: SplitConfig, seed: int) -> Split:
    """Return the split that holds out the last window, as it is also cut before the test."""
    if config.protocol == "last share":
        return last_share_out(log, frozenset(targets), config.share)
    return split_by_kind(log, targets, seed, config.test_days)


def _without_targets(split: Split) -> Split:
    removed: dict[int, set[str]] = {}
    for case in split.cases:
        if case.customer is not None:
            removed.setdefault(case.customer, set()).update(target.item for target in case.targets)
    customers = tuple(
        replace(
            customer,
            events=tuple(
                event for event in customer.events if event.item not in removed.get(at, ())
            ),
        )
        for at, customer in enumerate(split.training.customers)
    )
    meaning = f"{split.meaning}; the target is removed from everything its customer did"
    return replace(split, training=replace(split.training, customers=customers), meaning=meaning)
