"""Cases that give figures of noise, or figures of something else than they say."""

from collections.abc import Iterator, Sequence
from math import sqrt

from training.checks.checked_split import CheckedSplit
from training.checks.finding import Found

# A share over fewer cases is known to 7 points at best (95 %): few changes of a ranker are larger.
FEW_CASES = 200
# Of the targets: a list of what the customer touched before then does most of the work.
REPEATED = 0.75
# Replenishment reaches two thirds (groceries); above this, the answers are in the histories.
ANSWERED = 0.9
# Of the cases or targets of a truth: more than a few strays are ids written differently.
STRAYS = 0.05


def few(split: CheckedSplit) -> Iterator[Found]:
    """Find that there are so few cases that figures would be noise."""
    n = len(split.cases)
    if n < FEW_CASES:
        points = min(0.98 / sqrt(n), 0.5) if n else 0.5  # 1.96 standard errors of a half
        yield Found("cases to measure on", n, f"a share of 0.50 is known to ± {points:.2f}")


def answered(split: CheckedSplit) -> Iterator[Found]:
    """Find that customers had nearly all targets before: histories that go beyond the moment."""
    yield from _many(split, split.repeats[0], ANSWERED, "targets that the customer had before")


def repeated(split: CheckedSplit) -> Iterator[Found]:
    """Find that customers had turned to most targets before, in whatever way."""
    yield from _many(split, split.repeats[1], REPEATED, "targets that the customer touched before")


def unknown_customers(split: CheckedSplit) -> Iterator[Found]:
    """Find cases of customers whom the log does not know."""
    strays = sum(case.customer is None for case in split.cases)
    if strays > STRAYS * len(split.cases):
        share = strays / len(split.cases)
        yield Found("cases of customers unknown to the log", strays, f"{share:.0%} of all cases")


def unknown_items(split: CheckedSplit) -> Iterator[Found]:
    """Find targets that neither the items nor any event know: no list can hold them."""
    targets = [target.item for case in split.cases for target in case.targets]
    strays = [item for item in targets if item not in split.log.items]
    if len(strays) > STRAYS * len(targets):
        share = len(strays) / len(targets)
        yield Found(f"targets that no list can hold, {share:.0%} of all", len(strays), strays[0])


def _many(split: CheckedSplit, items: Sequence[str], limit: float, what: str) -> Iterator[Found]:
    if items and len(items) >= limit * len(split.targets):
        share = len(items) / len(split.targets)
        yield Found(f"{what}, {share:.0%} of all", len(items), items[0])
