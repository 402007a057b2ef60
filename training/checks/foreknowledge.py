"""Features of items and attributes of customers that know what is held out.

They are known when training, and yet were made later: `sold_last_month`, `bought_next`, `won_back`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from training.checks.checked_split import CheckedSplit
from training.checks.concordance import above_median, concordance, strata_of
from training.checks.finding import Found

# Share of pairs in right order. Departments and types of a real catalogue reach 0.67, what is known
# of real households 0.70 (docs/datasets.md): taste and season leave most to chance.
TOO_GOOD = 0.85
FEWEST = 50  # things with more and as many with less than their like
# Share of the cases whose target an attribute names, and so many times that of the bestseller. What
# is true of people (age, region, segment) does not tell one article from all others.
NAMES_TARGET, NAMES_TIMES, FEWEST_CASES = 0.5, 3, 100


def features(split: CheckedSplit) -> Iterator[Found]:
    """Find features of items that tell which of equally popular items sold more in the test."""
    seen = Counter(item for _, item, _ in split.target_events)
    lately = Counter(item for _, item, late in split.target_events if late)
    sold = Counter(item for _, item in split.targets)
    things = sorted(item for item in seen if item in split.log.items)
    described = [split.log.items[item].features for item in things]
    counts = [lately[item] for item in things], [sold[item] for item in things]
    for name, share in _too_good(described, *counts):
        what = f"items whose {name} tells what sells next"
        yield Found(what, len(things), f"{share:.0%} of pairs in right order")


def attributes(split: CheckedSplit) -> Iterator[Found]:
    """Find attributes that tell which of equally busy customers bought more in the test."""
    if split.window is None:
        return  # Everybody is a case: nothing to tell apart.
    seen = Counter(at for at, _, _ in split.target_events)
    lately = Counter(at for at, _, late in split.target_events if late)
    bought = Counter(at for at, _ in split.targets)
    things = sorted(seen)
    described = [{k: [v] for k, v in split.attributes[at].items()} for at in things]
    counts = [lately[at] for at in things], [bought[at] for at in things]
    for name, share in _too_good(described, *counts):
        what = f"customers whose {name} tells who buys next"
        yield Found(what, len(things), f"{share:.0%} of pairs in right order")


def naming_attributes(split: CheckedSplit) -> Iterator[Found]:
    """Find attributes whose value is, or nearly always goes with, the item that is held out."""
    items_of: dict[int, set[str]] = defaultdict(set)
    for at, item in split.targets:
        items_of[at].add(item)
    for name in sorted({name for at in items_of for name in split.attributes[at]}):
        known = [at for at in sorted(items_of) if name in split.attributes[at]]
        cases = [(split.attributes[at][name], items_of[at]) for at in known]
        if len(cases) < FEWEST_CASES:
            continue
        bought = Counter(item for _, items in cases for item in items)
        named = _named_targets(cases)
        by_chance = max(bought.values())
        if len(named) >= max(NAMES_TARGET * len(cases), NAMES_TIMES * by_chance):
            example = " goes with ".join(named[0])
            yield Found(f"customers whose {name} tells the item", len(named), example)


def _named_targets(cases: Sequence[tuple[str, set[str]]]) -> list[tuple[str, str]]:
    """Return the value and the target of each case whose value tells a target.

    It does where it is one, or where it went with this target most often among the other half of
    the cases, which know nothing of this one.
    """
    counts: tuple[dict[str, Counter[str]], ...] = (defaultdict(Counter), defaultdict(Counter))
    for at, (value, items) in enumerate(cases):
        counts[at % 2][value].update(sorted(items))  # so that ties fall the same way
    likeliest = [
        {value: items.most_common(1)[0][0] for value, items in half.items()} for half in counts
    ]
    named = []
    for at, (value, items) in enumerate(cases):
        told = value if value in items else likeliest[1 - at % 2].get(value, "")
        if told in items:
            named.append((value, told))
    return named


def _too_good(
    described: Sequence[Mapping[str, Sequence[str]]], seen: Sequence[int], later: Sequence[int]
) -> Iterator[tuple[str, float]]:
    strata = strata_of(np.array(seen, dtype=np.int64))
    positive = above_median(np.array(later, dtype=np.int64), strata)
    if min(positive.sum(), (~positive).sum()) < FEWEST:
        return
    for name in sorted({name for one in described for name in one}):
        share = concordance([one.get(name, ()) for one in described], positive, strata)
        if share >= TOO_GOOD:
            yield name, share
