"""Returns: which purchases, redemptions and other acts were taken back.

A `return` or a `void` names the event that it takes back, or the item or offer of it. By its event
it takes back that one, whatever it is and whenever it was; by the item (or the offer, where it
names no item) the latest purchases and redemptions of it before the return, as many as it says, and
one of them where it does not say. What is taken back in part stays bought.
"""

from collections.abc import Sequence

from models.domain.entry import Entry


def taken_back(returns: Sequence[Entry], acts: Sequence[Entry]) -> frozenset[int]:
    """Return the keys of what was wholly taken back.

    `acts` are the purchases and redemptions of a customer, in canonical order, as `returns` are.
    """
    left = {entry.key: entry.quantity or 1 for entry in acts}
    whole = {entry.decision for entry in returns if entry.decision and not entry.quantity}
    for taken in returns:
        if taken.decision:
            if taken.quantity and taken.decision in left:
                left[taken.decision] -= taken.quantity
        else:
            _take_latest(taken, acts, left)
    return frozenset(whole | {key for key, quantity in left.items() if quantity <= 0})


def _take_latest(taken: Entry, acts: Sequence[Entry], left: dict[int, int | float]) -> None:
    """Take back the latest acts of the item, or the offer, that `taken` names."""
    quantity = taken.quantity
    for entry in reversed(acts):
        if left[entry.key] <= 0 or (entry.rank, entry.at) > (taken.rank, taken.at):
            continue
        if taken.item != entry.item if taken.item else taken.offer != entry.offer:
            continue
        if not quantity:
            left[entry.key] = 0
            return
        part = min(quantity, left[entry.key])
        left[entry.key] -= part
        quantity -= part
        if quantity <= 0:
            return
