"""Stage 4, score: the one ranking of the person, in which no channel changes an order."""

from typing import NamedTuple

import numpy as np

from models.clock_time import MINUTE
from models.decision.gather import Gathered
from models.decision.inputs import DecisionInputs
from models.decision.retrieve import Retrieved
from models.numeric.array_types import Fixed, Rows
from models.numeric.draws import explored, gumbels
from models.ranking.expected_value import counts_value, value_terms
from models.ranking.ranking import OfferRanker, Ranking, ScoreTerms


class Scored(NamedTuple):
    """The ranking that every channel shares (tier 0), and the ranker that gave it.

    The ranker scores whatever a channel appends below by the same terms.
    """

    ranker: OfferRanker
    base_ranking: Ranking


def score(inputs: DecisionInputs, gathered: Gathered, retrieved: Retrieved) -> Scored:
    """Return the candidates in order: history, value and levers, exploration."""
    closed = gathered.closed_rows
    barred_leads = closed[closed < inputs.shared.index.rows.item_count]
    terms = _score_terms(inputs, gathered.minute)
    ranker = OfferRanker(inputs.shared.index, barred_leads, retrieved.scorer, terms)
    return Scored(ranker, ranker.rank(retrieved.rows))


def _score_terms(inputs: DecisionInputs, minute: int) -> ScoreTerms:
    shared, recorded = inputs.shared, inputs.recorded
    index, policy = shared.index, shared.policy
    label = index.release.manifest.label

    def value(rows: Rows) -> Fixed:
        if recorded is not None:
            return recorded.value_terms[rows]
        found = value_terms(
            index, policy, label, inputs.request.intent, minute, shared.exchange, rows
        )
        for offer, lift in shared.score_lifts.items():
            found[rows == index.rows.row_of(offer)] += lift
        return found

    def noise(rows: Rows) -> Fixed:
        exploration = policy.exploration
        if not exploration.temperature:
            return np.zeros(len(rows), np.int64)
        bucket = minute // (exploration.minutes * MINUTE)
        offers = [index.rows.ids[row] for row in rows.tolist()]
        draws = gumbels(inputs.profile.seed, offers, policy.digest, bucket)
        return explored(np.zeros(len(rows), np.int64), draws, exploration.temperature)

    return ScoreTerms(by_value=counts_value(policy, label), value_terms=value, noise_terms=noise)
