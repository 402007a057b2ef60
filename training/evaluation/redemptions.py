"""Redemptions: where the offer that a customer redeemed ranks among those valid at that moment.

A case is a customer at a moment with redemptions that name offers. A release ranks every offer
valid then as the service would. The baselines are how often an offer was redeemed before the test,
how often before that moment, and chance. None of them knows who was sent which offer. Intervals
are over resamples of customers.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue
from models.domain.decisions import Intent, minute_of
from models.domain.view import View
from models.numeric.array_types import NO_ROWS, Rows
from models.policy.schema import BUILT_IN
from models.ranking.candidate_scope import CandidateScope
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import OfferRanker
from models.ranking.scorers import scorer_for
from models.release.release import Release
from training.evaluation.bootstrap import intervals
from training.evaluation.metrics import metric_table
from training.evaluation.slices import Measurement
from training.log.event_log import Log
from training.log.order import Bound, bound_of
from training.log.profile_builder import ProfileBuilder

SLICE = "offers redeemed"
KS = (1, 5, 10)
BEFORE, SO_FAR, CHANCE = "offer popularity", "offer popularity so far", "chance"


def measure_redemptions(
    releases: Mapping[str, Release], log: Log, window: tuple[int, int], seed: int
) -> list[Measurement]:
    """Measure the ranking of valid offers at each redemption in `window` (microseconds).

    The first of `releases` is compared with the others and the baselines. Returns nothing where no
    redemption names an offer that was valid.
    """
    catalogue = Catalogue(1, dict(log.items), {offer.id: offer for offer in log.offers})
    indices = {name: OfferIndex(release, catalogue) for name, release in releases.items()}
    index = next(iter(indices.values()))  # they have the same rows
    times: dict[str, list[int]] = {}
    cases: dict[tuple[int, int], set[str]] = {}
    for at, person in enumerate(log.customers):
        for event in person.events:
            if event.type != "redeem" or not event.offer or event.time is None:
                continue
            times.setdefault(event.offer, []).append(event.time)
            if window[0] <= event.time < window[1]:
                cases.setdefault((at, event.time), set()).add(event.offer)
    for offer in times:
        times[offer].sort()
    random = np.random.default_rng([seed, 5])
    rankings: dict[str, list[list[str]]] = {
        name: [] for name in (*releases, BEFORE, SO_FAR, CHANCE)
    }
    redeemed_offers: list[set[str]] = []
    customers: list[int] = []
    for (at, time), redeemed in sorted(cases.items()):
        valid = index.availability.eligible(time).mask[index.rows.item_count :]
        rows = np.flatnonzero(valid) + index.rows.item_count
        names = [index.rows.ids[row] for row in rows.tolist()]
        known = redeemed & set(names)
        if not known:
            continue
        events = [e for e in log.customers[at].events if bound_of(e) < Bound(1, time)]
        view = ProfileBuilder(log, events).view()
        for name, ranking_index in indices.items():
            rankings[name].append(_ranked(ranking_index, view, time, rows))
        shuffled = [names[place] for place in random.permutation(len(names))]
        rankings[BEFORE].append(_most_redeemed(shuffled, times, window[0]))
        rankings[SO_FAR].append(_most_redeemed(shuffled, times, time))
        rankings[CHANCE].append(shuffled)
        redeemed_offers.append(known)
        customers.append(at)
    if not redeemed_offers:
        return []
    counts = np.array([len(known) for known in redeemed_offers], np.int64)
    customer_of_case = np.array(customers, np.int64)
    measured: list[Measurement] = []
    first = None
    for name, lists in rankings.items():
        metrics, values = metric_table(_hits(lists, redeemed_offers), counts, KS)
        first = values if first is None else first
        every = intervals(
            np.concatenate([values, first - values], axis=1), seed, of=customer_of_case
        )
        own = dict(zip(metrics, every[: len(metrics)], strict=True))
        leads = dict(zip(metrics, every[len(metrics) :], strict=True))
        lead = {} if values is first else leads
        measured.append(Measurement(name, SLICE, len(redeemed_offers), own, lead))
    return measured


def _ranked(index: OfferIndex, view: View, time: int, rows: Rows) -> list[str]:
    """Return the offers in `rows` as the release of `index` ranks them for `view` at `time`."""
    scope = CandidateScope(BUILT_IN.candidates.items, index.availability.eligible(time), NO_ROWS)
    scorer = scorer_for(index, view, Intent.DEFAULT, minute_of(time), scope)
    return [
        index.rows.ids[row] for row in OfferRanker(index, NO_ROWS, scorer).rank(rows).rows.tolist()
    ]


def _most_redeemed(
    offers: Sequence[str], times: Mapping[str, Sequence[int]], before: int
) -> list[str]:
    """Return `offers` by how often each was redeemed before a moment; equal ones as they stand."""
    return sorted(offers, key=lambda offer: -bisect_left(times.get(offer, ()), before))


def _hits(lists: Sequence[list[str]], redeemed_offers: Sequence[set[str]]) -> NDArray[np.bool_]:
    """Return (cases, the greatest of `KS`): whether the offer at each rank was redeemed."""
    hits = np.zeros((len(lists), max(KS)), np.bool_)
    for at, (ranked, known) in enumerate(zip(lists, redeemed_offers, strict=True)):
        for rank, offer in enumerate(ranked[: max(KS)]):
            hits[at, rank] = offer in known
    return hits
