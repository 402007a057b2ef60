"""Put held-out targets back into a log, for the final fit on everything after measuring."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.domain.catalogue import Item
from models.domain.events import Event, stamp_of
from training.log.event_log import Log
from training.splits.cases import Case, Target

CHANNEL = "import"  # of a held-out target that does not say where it was


def restore_cases(log: Log, cases: Sequence[Case], kind: str) -> Log:
    """Return `log` with the targets of `cases`, which are not in it, as events of type `kind`.

    Cases of customers whom the log does not know are left out.
    """
    added: dict[int, list[Event]] = {}
    items: dict[str, Item] = dict(log.items)
    for number, case in enumerate(cases):
        if case.customer is None:
            continue
        time = sequence = None
        if case.before is not None:
            time, sequence = (case.before.at, None) if case.before.rank else (None, case.before.at)
        elif case.now is not None:
            time = case.now
        identifier = log.customers[case.customer].identifiers[0]
        for target in case.targets:
            items.setdefault(target.item, Item(id=target.item))
            event = _event(number, target, kind, identifier, time, sequence)
            added.setdefault(case.customer, []).append(event)
    customers = list(log.customers)
    for at, events in added.items():
        merged = sorted((*customers[at].events, *events), key=stamp_of)
        customers[at] = replace(customers[at], events=tuple(merged))
    return replace(log, customers=tuple(customers), items=_sorted(items))


def _event(
    number: int,
    target: Target,
    kind: str,
    identifier: bytes,
    time: int | None,
    sequence: int | None,
) -> Event:
    return Event(
        event_id=f"truth:{number}:{target.item}",
        identifier=identifier,
        type=kind,
        channel=target.channel or CHANNEL,
        time=time,
        sequence=sequence,
        item=target.item,
    )


def _sorted(items: Mapping[str, Item]) -> dict[str, Item]:
    return {name: items[name] for name in sorted(items)}
