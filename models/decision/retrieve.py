"""Stage 3, retrieve: the candidates that every channel shares, under *eligible on any channel*."""

from typing import NamedTuple

from models.decision.filter_everywhere import GlobalFilters
from models.decision.gather import Gathered
from models.decision.inputs import DecisionInputs
from models.domain.decisions import Intent
from models.numeric.array_types import NO_ROWS, Rows
from models.ranking.candidate_scope import CandidateScope
from models.ranking.ranking import base_candidates
from models.ranking.scorers import Scorer, scorer_for


class Retrieved(NamedTuple):
    """The candidates of tier 0, in no certain order, and what scores them."""

    scorer: Scorer
    rows: Rows


def retrieve(inputs: DecisionInputs, gathered: Gathered, everywhere: GlobalFilters) -> Retrieved:
    """Return the candidates: found, or where they are recorded, those."""
    index, recorded = inputs.shared.index, inputs.recorded
    counts = inputs.shared.policy.candidates
    replenish = gathered.base_intent == Intent.REPLENISH
    seeded = None
    if recorded is not None:
        closed = NO_ROWS if replenish else gathered.closed_rows
        seeded = recorded.seeded(closed, index.rows.item_count)
    scope = CandidateScope(counts.items, everywhere.eligible, gathered.closed_rows, seeded)
    scorer = scorer_for(index, gathered.view, gathered.base_intent, gathered.minute, scope)
    if recorded is not None:
        return Retrieved(scorer, recorded.base_rows)
    if replenish:
        return Retrieved(scorer, scorer.candidates)
    return Retrieved(scorer, base_candidates(index, scorer, scope, counts.sets))
