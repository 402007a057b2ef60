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
from models.numeric.array_types import Mask
from models.ranking.ranking import backfill_candidates


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
    """Append tier 1: search on until the slate is full, or nothing is left that it could show.

    What does not fill it closes classes of offers to it; these are not looked for again, so that
    few classes among many offers cost no walk over all of them.
    """
    ranker = scored.ranker
    if inputs.recorded is not None:
        builder.add_ranking(ranker.rank(inputs.recorded.backfill_rows), tier=1)
        return
    offers = inputs.shared.index.rows
    unseen = _allowed_here(inputs, everywhere, scored, channel)
    before, places = builder.position(), builder.places_left
    limit = 2 * places + 32
    found = rows = backfill_candidates(ranker, offers.allow(unseen), limit)
    while True:
        builder.add_ranking(ranker.rank(rows), tier=1)
        unseen[found] = False
        if builder.full or not unseen.any():
            return
        allowed = offers.allow(unseen & builder.open_rows())
        if builder.places_left == places:
            limit *= 4
        places = builder.places_left
        found = backfill_candidates(ranker, allowed, limit)
        if not len(found):
            return
        rows = np.concatenate([builder.rows_shown(tier=1), found])
        builder.rollback(before)


def _allowed_here(
    inputs: DecisionInputs, everywhere: GlobalFilters, scored: Scored, channel: ChannelFilters
) -> Mask:
    """Return which rows beyond the base ranking the channel's own filters let through."""
    mask = without(everywhere.eligible.mask, channel.filters)
    mask[scored.base_ranking.rows] = False
    return mask
