"""Stage 7, record: the answer, with why each offer is shown and all that makes it again."""

import numpy as np

from models.decision.exploration import OpenCandidates
from models.decision.holdout import in_holdout
from models.decision.recorded import exhausted_among, kept_candidates
from models.decision.slate import RankedOffer
from models.decision.stages import Stages
from models.domain.decisions import (
    WITHHELD_MOST,
    Decision,
    Flag,
    Intent,
    Moment,
    Request,
    ScoreParts,
    ShownOffer,
    Source,
    context_digest,
)
from models.numeric.array_types import Rows
from models.ranking.offer_index import OfferIndex

BECAUSE_MOST = 3


def record(stages: Stages) -> Decision:
    """Return the decision that the stages come to."""
    inputs, filled = stages.inputs, stages.filled
    index, policy, request = inputs.shared.index, inputs.shared.policy, inputs.request
    recorded = inputs.recorded
    unknown = _unknown_ids(index, request) if recorded is None else recorded.unknown_ids
    sources = [_sources(stages, ranking.leads) for ranking in filled.rankings]
    explored = OpenCandidates(stages) if policy.exploration.temperature > 0 else None
    return Decision(
        moment=Moment(
            profile_version=inputs.profile.version,
            catalogue_revision=index.catalogue.revision,
            release=index.release.id,
            policy=policy.digest,
            minute=stages.gathered.minute,
            intent=request.intent,
            context=context_digest(request.context),
        ),
        slate=_slate(stages, sources, explored),
        withheld=filled.withheld[: min(filled.told, _withheld_most(stages))],
        flags=_flags(stages, unknown),
        unknown_ids=unknown,
        candidates=kept_candidates(
            index,
            filled.rankings,
            sources,
            None if explored is None else explored.open,
            None if explored is None else explored.classes,
        ),
        shared=len(stages.scored.base_ranking),
        label=index.release.manifest.label,
        contacted=stages.gathered.contact_rules.consulted_offers(),
    )


def exhausted_untold(stages: Stages) -> tuple[str, ...]:
    """Return the offers used up that a decision withheld beyond those it tells."""
    filled = stages.filled
    return tuple(exhausted_among(filled.withheld[_withheld_most(stages) : filled.told]))


def reservations(stages: Stages) -> tuple[str, ...]:
    """Return what the answer has to reserve: "" for the message as a whole, ids of offers."""
    catalogue = stages.inputs.shared.index.catalogue
    rows = (catalogue.row(place.offer) for place in stages.filled.shown)
    shown = [row for row in rows if row is not None]
    rules = stages.gathered.contact_rules
    return rules.reservations(shown, stages.inputs.request.channel)


def _withheld_most(stages: Stages) -> int:
    recorded = stages.inputs.recorded
    return WITHHELD_MOST if recorded is None else recorded.withheld_most


def _slate(
    stages: Stages, sources: list[Rows], explored: OpenCandidates | None
) -> tuple[ShownOffer, ...]:
    places, rankings = stages.filled.shown, stages.filled.rankings
    index, scorer = stages.inputs.shared.index, stages.retrieved.scorer
    leads = np.array([place.lead for place in places], np.int64)
    raw = np.array([rankings[place.tier].raw_scores[place.at] for place in places], np.int64)
    because = scorer.attribution(leads, BECAUSE_MOST)
    rates = scorer.rates(leads, raw)
    score_parts = [_parts(stages, place) for place in places]
    chances = [1.0] * len(places)
    if explored is not None:
        chances = explored.propensities(stages.inputs.request.count)
    return tuple(
        ShownOffer(
            offer=place.offer,
            item=index.rows.item_ids[place.lead],
            rank=place.rank,
            tier=place.tier,
            score=parts.base + parts.worth + parts.noise,
            source=Source(int(sources[place.tier][place.at])),
            because=carried,
            propensity=chance,
            rate=rate,
            score_parts=parts,
        )
        for place, carried, rate, chance, parts in zip(
            places, because, rates, chances, score_parts, strict=True
        )
    )


def _parts(stages: Stages, place: RankedOffer) -> ScoreParts:
    ranking, at = stages.filled.rankings[place.tier], place.at
    return ScoreParts(
        int(ranking.base_scores[at]), int(ranking.value_terms[at]), int(ranking.noise_terms[at])
    )


def _sources(stages: Stages, items: Rows) -> Rows:
    if stages.gathered.base_intent == Intent.REPLENISH:
        return np.full(len(items), Source.REPLENISH, np.int64)
    return stages.retrieved.scorer.sources(items)


def _flags(stages: Stages, unknown: int) -> tuple[Flag, ...]:
    inputs, filled = stages.inputs, stages.filled
    flags = [Flag.STATE_UNAVAILABLE] if inputs.profile_unavailable else []
    if inputs.nothing_reserved:
        flags.append(Flag.NOTHING_RESERVED)
    if stages.retrieved.scorer.cold:
        flags.append(Flag.COLD_START)
    if not filled.shown:
        flags.append(Flag.NONE_ELIGIBLE)
    elif not filled.full:
        flags.append(Flag.FEWER_THAN_ASKED)
    if unknown:
        flags.append(Flag.UNKNOWN_IDS)
    if in_holdout(inputs.shared.policy, inputs.profile.seed):
        flags.append(Flag.HELD_OUT)
    granted_more = bool(inputs.shared.exhausted) and stages.gathered.view.may_have_been_granted()
    if stages.gathered.contact_rules.bounded or stages.channel.undetermined or granted_more:
        flags.append(Flag.HISTORY_BOUNDED)
    return tuple(flags)


def _unknown_ids(index: OfferIndex, request: Request) -> int:
    offers = {*request.include, *request.exclude}
    items = {entry.item for entry in request.context}
    return sum(index.rows.row_of(offer) is None for offer in offers) + sum(
        index.rows.row_of_item(item) is None for item in items
    )
