"""Stage 6, fill slate: down the ranking until the channel has as many offers as it asked for.

Where tier 0 does not suffice, a second search under the channel's own filters appends tier 1,
scored by the same function and always below.
"""

import numpy as np

from models.decision.filter_channel import ChannelFilters
from models.decision.filter_everywhere import GlobalFilters
from models.decision.filters import without
from models.decision.gather import Gathered
from models.decision.inputs import DecisionInputs
from models.decision.score import Scored
from models.decision.slate import FilledSlate, SlateBuilder, SlateRules
from models.domain.decisions import Intent
from models.ranking.ranking import backfill_ranking
from models.recommender.vector_search import Allowed


def fill_slate(
    inputs: DecisionInputs,
    gathered: Gathered,
    everywhere: GlobalFilters,
    scored: Scored,
    channel: ChannelFilters,
) -> FilledSlate:
    """Return what is shown and what is withheld, each in its place of the ranking."""
    discovery = gathered.base_intent == Intent.DISCOVERY
    rules = SlateRules(
        inputs.shared.index,
        inputs.request,
        gathered.closed,
        frozenset(scored.ranker.barred_leads.tolist() if discovery else ()),
        channel.filters,
        inputs.shared.policy.diversity,
    )
    builder = SlateBuilder(rules)
    builder.add_ranking(scored.base_ranking, tier=0)
    if not builder.full and gathered.base_intent != Intent.REPLENISH:
        _backfill(inputs, everywhere, scored, channel, builder)
    return builder.filled()


def _backfill(
    inputs: DecisionInputs,
    everywhere: GlobalFilters,
    scored: Scored,
    channel: ChannelFilters,
    builder: SlateBuilder,
) -> None:
    """Append tier 1: search deeper until the slate is full, or everything has been seen."""
    if inputs.recorded is not None:
        builder.add_ranking(scored.ranker.rank(inputs.recorded.backfill_rows), tier=1)
        return
    allowed = _allowed_here(inputs, everywhere, scored, channel)
    total = int(np.count_nonzero(allowed.mask))
    before = builder.position()
    limit = 2 * builder.places_left + 32
    while True:
        ranking = backfill_ranking(scored.ranker, allowed, limit)
        builder.add_ranking(ranking, tier=1)
        if builder.full or len(ranking) >= total:
            return
        builder.rollback(before)
        limit *= 4


def _allowed_here(
    inputs: DecisionInputs, everywhere: GlobalFilters, scored: Scored, channel: ChannelFilters
) -> Allowed:
    """Return which rows beyond the base ranking the channel's own filters let through."""
    mask = without(everywhere.eligible.mask, channel.filters)
    mask[scored.base_ranking.rows] = False
    return inputs.shared.index.rows.allow(mask)
