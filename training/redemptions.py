"""Offers ranked against what customers redeemed: the offers valid at that moment, best item first.

A case is a customer at a moment with redemptions that name offers. The release ranks every offer
valid then as the service would; the baselines are how often an offer was redeemed before the test,
and chance. Who was sent which offer is not known to any of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.catalogue import Catalogue
from models.decision import Intent, minute_of
from models.index import OfferIndex
from models.policy import BUILT_IN
from models.ranking import Ranker
from models.release import Release
from models.scorers import scorer_for
from models.search import NONE
from training.bootstrap import intervals
from training.examples import Folder
from training.incumbent import MODEL
from training.log import Log
from training.metrics import table
from training.slices import Measured
from training.splits import Bound, bound_of

SLICE = "offers redeemed"
KS = (1, 5, 10)


def measure_redemptions(
    release: Release, log: Log, window: tuple[int, int], seed: int
) -> list[Measured]:
    """Measure the ranking of valid offers at each redemption in `window` (microseconds).

    Returns nothing where no redemption names an offer that was valid.
    """
    index = OfferIndex(
        release,
        Catalogue(1, dict(log.items), {offer.id: offer for offer in log.offers}),
    )
    before: dict[str, int] = {}
    cases: dict[tuple[int, int], set[str]] = {}
    for at, person in enumerate(log.customers):
        for event in person.events:
            if event.type != "redeem" or not event.offer or event.time is None:
                continue
            if event.time < window[0]:
                before[event.offer] = before.get(event.offer, 0) + 1
            elif event.time < window[1]:
                cases.setdefault((at, event.time), set()).add(event.offer)
    random = np.random.default_rng([seed, 5])
    rankings: dict[str, list[list[str]]] = {MODEL: [], "offer popularity": [], "chance": []}
    answers: list[set[str]] = []
    for (at, time), redeemed in sorted(cases.items()):
        valid = index.eligible(time).mask[index.item_count :]
        rows = np.flatnonzero(valid) + index.item_count
        names = [index.ids[row] for row in rows.tolist()]
        known = redeemed & set(names)
        if not known:
            continue
        events = [e for e in log.customers[at].events if bound_of(e) < Bound(1, time)]
        view, minute = Folder(log, events).view(), minute_of(time)
        allowed = index.eligible(time)
        scorer = scorer_for(
            index, view, Intent.DEFAULT, minute, BUILT_IN.candidates.items, allowed, NONE
        )
        ranking = Ranker(index, NONE, scorer).rank(rows)
        shuffled = [names[place] for place in random.permutation(len(names))]
        rankings[MODEL].append([index.ids[row] for row in ranking.rows.tolist()])
        rankings["offer popularity"].append(
            sorted(shuffled, key=lambda offer: -before.get(offer, 0))
        )
        rankings["chance"].append(shuffled)
        answers.append(known)
    if not answers:
        return []
    counts = np.array([len(known) for known in answers], np.int64)
    return [_measured(name, lists, answers, counts, seed) for name, lists in rankings.items()]


def _measured(
    name: str,
    lists: Sequence[list[str]],
    answers: Sequence[set[str]],
    counts: NDArray[np.int64],
    seed: int,
) -> Measured:
    hits = np.zeros((len(lists), max(KS)), np.bool_)
    for at, (ranked, known) in enumerate(zip(lists, answers, strict=True)):
        for rank, offer in enumerate(ranked[: max(KS)]):
            hits[at, rank] = offer in known
    metrics, values = table(hits, counts, KS)
    found = dict(zip(metrics, intervals(values, seed), strict=True))
    return Measured(name, SLICE, len(lists), found)
