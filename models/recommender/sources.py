"""The sources of candidates, each declared once, and the union of what they propose.

A source is added here: an entry of `SOURCES`, and its quota in `Quotas`, 0 unless a release says
otherwise, so that releases made before answer as they did. Names, bits, the check of quotas and
what the contract calls an offer's source follow; a new `Source` is a value in
`models.domain.decisions` and in the contract, under one number. A source that proposes by the
history says how in `propose`; one that needs the catalogue is proposed by
`models.ranking.two_stage_candidates`. The same functions propose live and make the examples to
train on: a ranker is fitted on what it meets.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from models.domain.decisions import Source
from models.numeric.array_types import Mask, Rows
from models.recommender.candidates import (
    Bits,
    Candidates,
    from_source,
    listed_items,
    neighbour_items,
    own_items,
    union,
)
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import NeighbourSums, look_up_neighbours
from models.recommender.retrieval import RetrievalTables

SOURCES_LIMIT = 31  # bits of a mask
QUOTA_LIMIT = 1_000  # candidates of one source


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """How many items each source may propose: by table name, the rest `other` each.

    `new` places are kept for items that the release does not know.
    """

    own: int = 200
    tables: dict[str, int] = {}
    other: int = 10
    embedding: int = 0
    popular: int = 10
    new: int = 10

    def of(self, source: "CandidateSource") -> int:
        """Return the quota of a source that has a single one."""
        quota: int = getattr(self, source.name)
        return quota

    def of_tables(self, tables: Sequence[str]) -> Rows:
        """Return the quota of each table."""
        return np.array([self.tables.get(name, self.other) for name in tables], np.int64)

    @property
    def within_limits(self) -> bool:
        """Tell whether every quota is one that a release may have."""
        single = (self.of(source) for source in SOURCES if not source.by_table)
        return all(0 <= n <= QUOTA_LIMIT for n in (*single, self.other, *self.tables.values()))


class CandidateQuery(NamedTuple):
    """What is proposed from: a customer's `history`, and what the tables lead to from it.

    `allowed` (items,) marks the release's items that may be proposed.
    """

    retrieval: RetrievalTables
    history: ItemHistory
    neighbours: NeighbourSums
    allowed: Mask


class CandidateSource(NamedTuple):
    """One source of candidates.

    `name` is its field in `Quotas`, `public` what the contract calls the source of an offer that it
    proposed first. `led_by` says what an offer is put down to: interactions that the tables lead
    from, what is nearest in the history by the embedding, or nothing the customer did. `propose`
    returns up to so many items, best first; None where it is done elsewhere. With `by_table` each
    item-to-item table is a source of its own, with a bit of its own.
    """

    name: str
    public: Source
    led_by: Literal["tables", "embedding", "nothing"]
    propose: Callable[[CandidateQuery, int], Rows] | None = None
    by_table: bool = False

    def names(self, tables: Sequence[str]) -> Sequence[str]:
        """Return the names of its bits, over a release's tables."""
        return tables if self.by_table else (self.name,)


def _own(query: CandidateQuery, limit: int) -> Rows:
    return own_items(query.history, limit, query.allowed)


def _popular(query: CandidateQuery, limit: int) -> Rows:
    return listed_items(query.retrieval.popular, limit, query.allowed)


OWN = CandidateSource("own", Source.OWN, "tables", _own)
TABLES = CandidateSource("tables", Source.RELATED, "tables", by_table=True)
EMBEDDING = CandidateSource("embedding", Source.HISTORY, "embedding")
POPULAR = CandidateSource("popular", Source.POPULAR, "nothing", _popular)
NEW = CandidateSource("new", Source.NEW, "embedding")

# In the order of bits. Of several that propose an item, the first names its source.
SOURCES: tuple[CandidateSource, ...] = (OWN, TABLES, EMBEDDING, POPULAR, NEW)
assert {source.name for source in SOURCES} | {"other"} == set(Quotas.__struct_fields__)

DEFAULT_QUOTAS = Quotas(
    tables={
        "any>any": 70,
        "purchase>browse": 30,
        "browse>purchase": 20,
        "browse>browse": 20,
        "purchase>purchase": 15,
    }
)
# Own items out: their places go to the tables.
DISCOVERY_QUOTAS = Quotas(
    own=0,
    tables={
        "any>any": 150,
        "purchase>browse": 60,
        "browse>purchase": 40,
        "browse>browse": 40,
        "purchase>purchase": 30,
    },
)


def source_names(tables: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each source, by the number of its bit."""
    return tuple(name for source in SOURCES for name in source.names(tables))


class Proposed(NamedTuple):
    """Candidates of a customer, and what of the history led to them."""

    candidates: Candidates
    neighbours: NeighbourSums


def propose_candidates(
    retrieval: RetrievalTables,
    history: ItemHistory,
    quotas: Quotas,
    allowed: Mask,
    extra: Mapping[str, Rows] | None = None,
) -> Proposed:
    """Return the union of what all sources propose among `allowed` (items,) rows.

    `extra` are proposals by source that are made elsewhere, such as those of the embedding.
    """
    tables = retrieval.tables.names
    query = CandidateQuery(
        retrieval, history, look_up_neighbours(retrieval.tables, history), allowed
    )
    parts: list[tuple[Rows, Bits]] = []
    bit = 0
    for source in SOURCES:
        if source.by_table:
            rows, bits = neighbour_items(query.neighbours, quotas.of_tables(tables), allowed)
            parts.append((rows, bits << bit))
        elif source.propose is not None:
            parts.append(from_source(source.propose(query, quotas.of(source)), bit))
        bit += len(source.names(tables))
    for name, found in (extra or {}).items():
        parts.append(from_source(found, source_names(tables).index(name)))
    return Proposed(union(parts), query.neighbours)


def public_sources(bits: Bits, tables: Sequence[str]) -> Rows:
    """Return the `Source` of each candidate, given the masks of what proposed it (none empty)."""
    lowest = np.bitwise_count((bits & -bits) - 1)  # the zeros below the lowest bit
    found: Rows = _public_of_bits(SOURCES, tuple(tables))[lowest]
    return found


@lru_cache(16)
def _public_of_bits(sources: tuple[CandidateSource, ...], tables: tuple[str, ...]) -> Rows:
    found = [int(source.public) for source in sources for _ in source.names(tables)]
    return np.array(found, np.int64)
