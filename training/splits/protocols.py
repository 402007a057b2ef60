"""Split a log into what training may see and the cases it is measured on.

A timed (or mixed) log is split by time: the last window is the test, everything before trains. An
ordered one gives each customer's last target moment, an undated one a target item per customer, in
random order under the seed; a customer with a single one keeps it for training.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, timedelta, tzinfo

import numpy as np

from models.clock_time import DAY, zone_named
from models.domain.dataset import METADATA
from models.domain.event_types import PURCHASE
from models.domain.events import Event
from models.domain.input.zones import zone_fault
from models.errors import BadDataset, BadInput
from training.log.event_log import EPOCH, Customer, Log, microseconds
from training.log.order import Bound, bound_of, ordered_across_customers
from training.splits.cases import Case, Split, Target

TEST_DAYS = 28
SHORTEST_SHARE = 5  # the test is never longer than a fifth of the log
# What a target is, strongest first, where a log has no purchases.
STRENGTH = ("accept", "redeem", "add_to_cart", "click", "view")


def target_types(log: Log) -> tuple[str, ...]:
    """Return the event types a model of this log learns to predict: purchases, or the strongest.

    Raises `BadDataset` where no event of the log names an item.
    """
    present = {event.type for customer in log.customers for event in customer.events if event.item}
    purchases = tuple(sorted(name for name in present if log.event_types[name].lane == PURCHASE))
    if purchases:
        return purchases
    for like in STRENGTH:
        present_types = {
            name for name in present if log.metadata.event_types.get(name, name) == like
        }
        if present_types:
            return tuple(sorted(present_types))
    raise BadDataset("events.parquet: no event that says what a customer turned to names an item")


def split_by_kind(
    log: Log, targets: Iterable[str], seed: int, test_days: int | None = None
) -> Split:
    """Split `log` as its kind asks; `test_days` is the window of a timed one (28 by default).

    Raises `BadInput` where that is the whole log.
    """
    types = frozenset(targets)
    if log.metadata.kind in ("timed", "mixed"):
        return _by_time(log, types, test_days)
    if log.metadata.kind == "ordered":
        return last_out(log, types)
    return _one_out(log, types, seed)


def without_events_from(log: Log, start: int) -> Log:
    """Return the log as it was just before `start` (microseconds); undated events stay."""
    return replace(
        log,
        customers=tuple(
            _keep(customer, lambda event: event.time is None or event.time < start)
            for customer in log.customers
        ),
    )


def _by_time(log: Log, types: frozenset[str], test_days: int | None) -> Split:
    times = [
        event.time
        for customer in log.customers
        for event in customer.events
        if event.time is not None
    ]
    if not times:
        return Split(log, (), "no timed event: nothing held out", None)
    first, end = min(times), max(times) + 1
    days = TEST_DAYS if test_days is None else test_days
    start = _days_before(end, days, _zone(log.metadata.zone))
    if test_days is not None and start <= first:
        raise BadInput(
            "split.test_days",
            f"the last {test_days} days are all {(end - first) / DAY:.1f} days of the log; "
            "want fewer, so that some are left to learn from",
        )
    if test_days is None:
        start = max(start, end - max(1, (end - first) // SHORTEST_SHARE))
    cases = []
    for at, customer in enumerate(log.customers):
        targets = _targets(
            event
            for event in customer.events
            if event.time is not None and event.time >= start and _is_target(event, types)
        )
        if targets:
            cases.append(Case(at, targets, Bound(1, start), start))
    meaning = f"the last {(end - start) / DAY:.1f} days are the test, what came before the history"
    return Split(without_events_from(log, start), tuple(cases), meaning, (start, end))


def _days_before(end: int, days: int, zone: tzinfo) -> int:
    """Return the midnight in `zone` that begins the last `days` days before `end`."""
    local = (EPOCH + timedelta(microseconds=end - 1)).astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return microseconds((midnight - timedelta(days=days - 1)).astimezone(UTC))


def _zone(name: str) -> tzinfo:
    """Return the zone that a dataset is of; raises `BadDataset`."""
    zone = zone_named(name)
    if zone is None:
        raise BadDataset(f"{METADATA}: zone: {zone_fault(name)}")
    return zone


def last_out(log: Log, types: frozenset[str]) -> Split:
    """Hold out the last target moment of each customer, and what came after it."""
    cases, customers = [], []
    for at, customer in enumerate(log.customers):
        moments = sorted({bound_of(event) for event in customer.events if _is_target(event, types)})
        if len(moments) < 2:
            customers.append(customer)
            continue
        last = moments[-1]
        targets = _targets(
            event
            for event in customer.events
            if bound_of(event) == last and _is_target(event, types)
        )
        cases.append(Case(at, targets, last, None))
        customers.append(_keep(customer, lambda event, last=last: bound_of(event) < last))
    meaning = "each customer's last target is the test, what came before it the history"
    return Split(replace(log, customers=tuple(customers)), tuple(cases), meaning, None)


def last_item_out(log: Log, types: frozenset[str], seed: int) -> Split:
    """Hold out the last target item of each customer, and drop what came after its moment.

    Where the last moment has several items, one is drawn under `seed`: many logs give all of a
    basket one time. The others stay, and so do events of other types about the drawn one.
    """
    random = np.random.default_rng([seed, 12])
    cases, customers = [], []
    for at, customer in enumerate(log.customers):
        hits = [event for event in customer.events if _is_target(event, types)]
        if len({event.item for event in hits}) < 2:
            customers.append(customer)
            continue
        last = max(bound_of(event) for event in hits)
        targets = _targets(event for event in hits if bound_of(event) == last)
        out = sorted(targets)[int(random.integers(len(targets)))]
        cases.append(Case(at, (out,), None, last.at if last.rank else None))
        customers.append(
            _keep(
                customer,
                lambda event, last=last, item=out.item: (
                    bound_of(event) <= last and not (event.item == item and event.type in types)
                ),
            )
        )
    meaning = "each customer's last target item is the test, the rest up to its moment the history"
    return Split(replace(log, customers=tuple(customers)), tuple(cases), meaning, None)


def last_share_out(log: Log, types: frozenset[str], share: float) -> Split:
    """Hold out the last `share` (in (0, 1)) of the target moments of all customers together.

    Raises `BadDataset` where the log has no order over its customers.
    """
    timed = log.metadata.kind == "timed"
    if not ordered_across_customers(log):
        raise BadDataset("events.parquet: no order over the customers: no last share of it")
    moments = sorted(
        {
            (bound_of(event), at)
            for at, customer in enumerate(log.customers)
            for event in customer.events
            if _is_target(event, types)
        }
    )
    count = round(len(moments) * share)
    meaning = f"the last {share:.0%} of the moments of a target are the test, what came before"
    meaning += " each the history"
    if not count or count == len(moments):
        return Split(log, (), meaning, None)
    start, end = moments[-count][0], moments[-1][0]
    cases = []
    for bound, at in moments:
        if bound < start:
            continue
        events = [event for event in log.customers[at].events if bound_of(event) == bound]
        targets = _targets(event for event in events if _is_target(event, types))
        cases.append(Case(at, targets, bound, bound.at if timed else None))
    before = tuple(
        _keep(customer, lambda event: bound_of(event) < start) for customer in log.customers
    )
    window = (start.at, end.at + 1)
    return Split(replace(log, customers=before), tuple(cases), meaning, window)


def _one_out(log: Log, types: frozenset[str], seed: int) -> Split:
    """Hold out one target item of each customer; its events of other types stay as they are."""
    random = np.random.default_rng([seed, 1])
    cases, customers = [], []
    for at, customer in enumerate(log.customers):
        items = sorted({event.item for event in customer.events if _is_target(event, types)})
        if len(items) < 2:
            customers.append(customer)
            continue
        out = items[int(random.integers(len(items)))]
        targets = _targets(
            event for event in customer.events if event.item == out and _is_target(event, types)
        )
        cases.append(Case(at, targets, None, None))
        customers.append(
            _keep(customer, lambda event, out=out: event.item != out or event.type not in types)
        )
    meaning = "one target item of each customer is the test, in random order under the seed"
    return Split(replace(log, customers=tuple(customers)), tuple(cases), meaning, None)


def _targets(events: Iterable[Event]) -> tuple[Target, ...]:
    """Return each item once, with the channel of its first event."""
    first: dict[str, str] = {}
    for event in events:
        first.setdefault(event.item, event.channel)
    return tuple(Target(item, channel) for item, channel in first.items())


def _is_target(event: Event, types: frozenset[str]) -> bool:
    return bool(event.item) and event.type in types


def _keep(customer: Customer, keep: Callable[..., bool]) -> Customer:
    return replace(customer, events=tuple(event for event in customer.events if keep(event)))
