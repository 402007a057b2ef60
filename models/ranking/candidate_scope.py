"""Which candidates are looked for, and candidates that are named beforehand."""

from typing import NamedTuple

from models.numeric.array_types import Rows
from models.recommender.vector_search import Allowed


class SeededCandidates(NamedTuple):
    """Candidates that somebody names: item rows of an index, and the `Source` of each."""

    items: Rows
    sources: Rows


class CandidateScope(NamedTuple):
    """Which candidates are looked for: about `limit` that are `eligible` and not `closed`.

    `closed` are ascending rows. With `seeded` nothing is looked for: these are the candidates.
    """

    limit: int
    eligible: Allowed
    closed: Rows
    seeded: SeededCandidates | None = None
