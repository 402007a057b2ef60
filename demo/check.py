"""Checks that answers given to several channels are one ranking with a reason for every gap.

Answers of equal moments are compared with each other; every answer is checked by itself.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from throughline.v1.recommendation_pb2 import (
    WITHHOLD_REASON_UNSPECIFIED,
    RecommendResponse,
    WithholdReason,
)


class Told(NamedTuple):
    """What one channel was told."""

    channel: str
    answer: RecommendResponse


class Verdict(NamedTuple):
    """How many answers and pairs of the same moment were compared, and everything that differs."""

    answers: int
    pairs: int
    differences: list[str]


def check(told: Sequence[Told]) -> Verdict:
    """Check every answer, and every pair of answers of the same moment."""
    differences = [line for entry in told for line in _alone(entry)]
    moments: dict[bytes, list[Told]] = defaultdict(list)
    for entry in told:
        moments[entry.answer.moment.SerializeToString(deterministic=True)].append(entry)
    pairs = 0
    for same in moments.values():
        for at, one in enumerate(same):
            for other in same[at + 1 :]:
                pairs += 1
                differences += _together(one, other)
    return Verdict(len(told), pairs, differences)


def ranking(answer: RecommendResponse) -> dict[int, str]:
    """Return the offers of the ranking by rank, as far as this answer tells it."""
    entries = [(offer.rank, offer.offer_id) for offer in answer.offers]
    entries += [(offer.rank, offer.offer_id) for offer in answer.withheld]
    return dict(sorted(entries))


def _alone(told: Told) -> Iterator[str]:
    answer = told.answer
    ranks = [*(offer.rank for offer in answer.offers), *(offer.rank for offer in answer.withheld)]
    if answer.withheld_more:
        # Below the last one told stand those that are only counted.
        last = max(offer.rank for offer in answer.withheld)
        ranks = [rank for rank in ranks if rank <= last]
    if sorted(ranks) != list(range(1, len(ranks) + 1)):
        yield f"{told.channel}: shown and withheld leave a gap: ranks {sorted(ranks)}"
    for offer in answer.withheld:
        known = offer.reason in WithholdReason.values()
        if not known or offer.reason == WITHHOLD_REASON_UNSPECIFIED:
            yield f"{told.channel}: {offer.offer_id} at rank {offer.rank} withheld without a reason"
    for above, below in pairwise(answer.offers):
        if above.rank >= below.rank or above.tier > below.tier:
            yield f"{told.channel}: {above.offer_id} stands before {below.offer_id}, out of order"
        if above.tier == below.tier and above.score < below.score:
            yield f"{told.channel}: {above.offer_id} outranks {below.offer_id}, which scores more"


def _together(one: Told, other: Told) -> Iterator[str]:
    first, second = ranking(one.answer), ranking(other.answer)
    # What a channel appended for itself (tier 1) is its own; above it there is one ranking.
    shared = min(_shared(one.answer), _shared(other.answer))
    for rank in range(1, shared + 1):
        if first.get(rank) != second.get(rank):
            yield (
                f"rank {rank}: {one.channel} has {first.get(rank)}, "
                f"{other.channel} has {second.get(rank)}"
            )
    scores = {offer.offer_id: offer.score for offer in one.answer.offers}
    for offer in other.answer.offers:
        if scores.get(offer.offer_id, offer.score) != offer.score:
            yield f"{offer.offer_id}: scored differently for {one.channel} and {other.channel}"


def _shared(answer: RecommendResponse) -> int:
    return max((offer.rank for offer in answer.offers if offer.tier == 0), default=0)
