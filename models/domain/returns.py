"""Returns: which purchases, redemptions and other acts were taken back.

A `return` or a `void` names the event that it takes back, or the item or offer of it. By its event
it takes back that one, whatever it is and whenever it was, an earlier return too, which then never
was. By the item (or the offer, where it names no item) it takes back the latest purchases of it
before the return, as many as it says, and one of them where it does not say; and likewise the
latest redemptions, as one thing may have been both redeemed and bought. What is taken back in part
stays bought.
"""

from collections.abc import Iterator, Sequence

from models.domain.entry import Entry

NOTHING = 1e-9  # of a quantity: what is left where parts that are no whole numbers make it up


def taken_back(
    returns: Sequence[Entry], purchases: Sequence[Entry], redemptions: Sequence[Entry]
) -> frozenset[int]:
    """Return the keys of what was wholly taken back.

    All are of one customer, and in canonical order.
    """
    standing = _standing(returns)
    whole = {taken.decision for taken in standing if _takes_all(taken)}
    for acts in (purchases, redemptions):
        left = {entry.key: entry.quantity or 1 for entry in acts}
        # What was named by its event goes first, so that no other return is spent on it.
        left.update(dict.fromkeys(whole & left.keys(), 0))
        for taken in standing:
            if taken.decision in left:
                left[taken.decision] = _rest(left[taken.decision], taken.quantity)
        _take_latest([taken for taken in standing if not taken.decision], acts, left)
        whole |= {key for key, quantity in left.items() if quantity <= 0}
    return frozenset(whole)


def _takes_all(taken: Entry) -> bool:
    """Tell whether a return takes back the whole of the event that it names."""
    return bool(taken.decision) and not taken.quantity


def _standing(returns: Sequence[Entry]) -> list[Entry]:
    """Return those that no other one that stands took back, in their order.

    Of returns that take back each other, which nobody would say, the latest stands.
    """
    stands: dict[int, bool] = {}
    takers: dict[int, list[int]] = {}
    for taken in returns:
        if _takes_all(taken):
            takers.setdefault(taken.decision, []).append(taken.key)
    left = [taken.key for taken in returns]
    while left:
        decided = [key for key in left if all(by in stands for by in takers.get(key, ()))]
        for key in decided or left[-1:]:
            stands[key] = not any(stands.get(by, False) for by in takers.get(key, ()))
        left = [key for key in left if key not in stands]
    return [taken for taken in returns if stands[taken.key]]


def _take_latest(
    returns: Sequence[Entry], acts: Sequence[Entry], left: dict[int, int | float]
) -> None:
    """Let each return take back the latest acts of the item, or the offer, that it names.

    One pass over both: of each thing a stack holds the acts up to the return at hand, and who is
    spent is popped for good. A customer may have thousands of either.
    """
    stacks: dict[tuple[bool, str], list[int]] = {_named(taken): [] for taken in returns}
    coming = iter(acts)
    ahead = next(coming, None)
    for taken in returns:
        while ahead is not None and (ahead.rank, ahead.at) <= (taken.rank, taken.at):
            for thing in ((True, ahead.item), (False, ahead.offer)):
                if thing in stacks:
                    stacks[thing].append(ahead.key)
            ahead = next(coming, None)
        quantity = taken.quantity
        for key in _unspent(stacks[_named(taken)], left):
            if not quantity:
                left[key] = 0
                break
            part = min(quantity, left[key])
            left[key] = _rest(left[key], part)
            quantity -= part
            if quantity <= 0:
                break


def _named(taken: Entry) -> tuple[bool, str]:
    """Return the item that a return names, True, or the offer, False."""
    return (True, taken.item) if taken.item else (False, taken.offer)


def _unspent(stack: list[int], left: dict[int, int | float]) -> Iterator[int]:
    """Yield the latest act of which something is left, as long as there is one."""
    while stack:
        if left[stack[-1]] > 0:
            yield stack[-1]
        else:
            stack.pop()


def _rest(left: int | float, taken: int | float) -> int | float:
    rest = left - taken
    return rest if rest > NOTHING * left else 0
