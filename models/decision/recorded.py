"""The candidates of a decision as its record keeps them, and a decision made from them again.

Retrieval names candidates, and the catalogue says what they are worth; both are kept. All else, the
scores, their order and what the channel withholds, follows from the profile, the release and the
policy, and is worked out anew. So a record is replayed without the catalogue of its day.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from models.codec import Damaged, encode
from models.domain.catalogue import Catalogue, Item, Offer, Row, Stock
from models.domain.compartments import StoredCompartment, at_hand, like
from models.domain.decisions import (
    WITHHELD_MOST,
    Decision,
    DecisionRecord,
    KeptCandidates,
    WithheldOffer,
)
from models.domain.names import DEFAULT_PREFIX
from models.domain.profile import Compartment, Profile, decode_customer
from models.domain.reasons import Reason
from models.numeric.array_types import Fixed, Mask, Rows
from models.policy.look_back import lanes_looked_at
from models.policy.schema import Policy
from models.ranking.candidate_scope import SeededCandidates
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import Ranking
from models.release.release import Release


@dataclass(frozen=True)
class RecordedCandidates:
    """The candidates of a decision made before, over the small index made of its record.

    `base_rows` are those of tier 0, `backfill_rows` those of tier 1; so many offers withheld as
    `withheld_most` are told. By row: `sources`,
    `value_terms`, `open` (might have been shown) and `classes` (rules, rows), which diversity looks
    at.
    """

    base_rows: Rows
    backfill_rows: Rows
    sources: Rows
    value_terms: Fixed
    open: Mask
    classes: NDArray[np.int64]
    unknown_ids: int
    withheld_most: int

    def seeded(self, closed: Rows, items: int) -> SeededCandidates:
        """Return the item candidates of tier 0 that are not `closed`; `items` as in the index."""
        rows = self.base_rows[self.base_rows < items]
        rows = np.setdiff1d(rows, closed, assume_unique=True)
        return SeededCandidates(rows, self.sources[rows])


def kept_candidates(
    index: OfferIndex,
    rankings: Sequence[Ranking],
    sources: Sequence[Rows],
    open_: Mask | None,
    classes: NDArray[np.int64] | None,
) -> KeptCandidates:
    """Return the candidates of a decision as its record keeps them."""
    rows = np.concatenate([ranking.rows for ranking in rankings])
    leads = np.concatenate([ranking.leads for ranking in rankings])
    worths = np.concatenate([ranking.value_terms for ranking in rankings])
    known = np.full(len(rows), -1, np.int32)
    items = rows < index.rows.item_count
    known[items] = index.release_items.row_of_item[rows[items]]
    named = known < 0
    return KeptCandidates(
        rows=known.astype("<i4").tobytes(),
        named=tuple(index.rows.ids[row] for row in rows[named].tolist()),
        leads=tuple(index.rows.item_ids[lead] for lead in leads[named].tolist()),
        sources=np.concatenate(sources).astype("u1").tobytes(),
        worths=worths.astype("<i8").tobytes() if worths.any() else b"",
        open=b"" if open_ is None else open_.astype("u1").tobytes(),
        classes=b"" if classes is None or not len(classes) else classes.astype("<i4").tobytes(),
    )


def catalogue_rows_used(decision: Decision, index: OfferIndex, place: str) -> tuple[Row, ...]:
    """Return the rows of the index's catalogue that a record needs.

    They are those of every offer shown or withheld, of items newer than the release, and of the
    offers that caps of a group looked at, without what no replay looks at: of an offer over a set
    only the item that led it, of stock only that of the place asked for and what tells that there
    is some elsewhere.
    """
    catalogue, candidates = index.catalogue, decision.candidates
    leads = dict(zip(candidates.named, candidates.leads, strict=True))
    walked = [shown.offer for shown in decision.slate]
    walked += [withheld.offer for withheld in decision.withheld]
    if decision.withheld_more:
        told = frozenset(walked)
        ids = candidates.ids(index.release.items)[: decision.walked]
        walked += [offer_id for offer_id in ids if offer_id not in told]
    # An item that the release does not know is scored by its features, as an offer's lead too.
    new = [DEFAULT_PREFIX + lead for lead in candidates.leads if lead not in index.release.item_row]
    found: dict[str, Row] = {}
    for offer_id in [*walked, *new]:
        item_id = leads.get(offer_id, offer_id.removeprefix(DEFAULT_PREFIX))
        item = catalogue.items.get(item_id)
        if item is not None:
            found[DEFAULT_PREFIX + item_id] = _small(item, place)
        offer = catalogue.offers.get(offer_id)
        if offer is not None:
            found[offer_id] = _small_offer(offer, item_id, place)
    for offer_id in decision.contacted:
        row = catalogue.row(offer_id)
        if row is not None:
            found.setdefault(offer_id, _looked_at(row, leads.get(offer_id, "")))
    return tuple(found.values())


def recorded_index(decision: Decision, rows: Sequence[Row], release: Release) -> OfferIndex:
    """Return the index of just the candidates of a recorded decision."""
    candidates = decision.candidates
    items: dict[str, Item] = {}
    offers: dict[str, Offer] = {}
    leads = iter(candidates.leads)
    for offer_id, known in zip(candidates.ids(release.items), candidates.known, strict=True):
        lead = offer_id.removeprefix(DEFAULT_PREFIX) if known else next(leads)
        items.setdefault(lead, Item(id=lead))
        if not offer_id.startswith(DEFAULT_PREFIX):
            offers[offer_id] = Offer(id=offer_id, items=(lead,))
    for row in rows:
        if isinstance(row, Item):
            items[row.id] = row
        else:
            offers[row.id] = row
    return OfferIndex(release, Catalogue(decision.moment.catalogue_revision, items, offers))


def recorded_candidates(decision: Decision, index: OfferIndex, rules: int) -> RecordedCandidates:
    """Return the candidates of a recorded decision by rows of its small index.

    `rules` is how many rules of diversity its policy has.
    """
    candidates, count = decision.candidates, len(index.rows)
    ids = candidates.ids(index.release.items)
    rows = np.array([_row(index, offer_id) for offer_id in ids], np.int64)
    sources = np.zeros(count, np.int64)
    sources[rows] = np.frombuffer(candidates.sources, "u1")
    worths = np.zeros(count, np.int64)
    if candidates.worths:
        worths[rows] = np.frombuffer(candidates.worths, "<i8")
    open_ = np.zeros(count, np.bool_)
    if candidates.open:
        open_[rows] = np.frombuffer(candidates.open, "u1") > 0
    classes = np.full((rules, count), -1, np.int64)
    if candidates.classes:
        classes[:, rows] = np.frombuffer(candidates.classes, "<i4").reshape(rules, len(rows))
    return RecordedCandidates(
        base_rows=rows[: decision.shared],
        backfill_rows=rows[decision.shared :],
        sources=sources,
        value_terms=worths,
        open=open_,
        classes=classes,
        unknown_ids=decision.unknown_ids,
        # Former versions told all of them.
        withheld_most=max(WITHHELD_MOST, len(decision.withheld)),
    )


def profile_to_keep(profile: Profile, policy: Policy) -> bytes:
    """Return the customer as a record keeps it: without what no decision by `policy` looks at."""
    compartments = at_hand(profile.compartments)
    heavy = {identifier for identifier, part in compartments.items() if _has_facts(part)}
    lanes = lanes_looked_at(policy) if heavy else frozenset()
    # Those without facts are neither decoded nor encoded for this.
    kept: dict[bytes, Compartment | StoredCompartment] = {
        identifier: _without_facts_but(profile.compartments[identifier], lanes)
        if identifier in heavy
        else replace(part, seen=b"")
        for identifier, part in compartments.items()
    }
    return encode(replace(profile, compartments=like(profile.compartments, kept), once_with=()))


def _has_facts(part: Compartment | StoredCompartment) -> bool:
    return part.has_facts if isinstance(part, StoredCompartment) else bool(part.facts)


def _without_facts_but(compartment: Compartment, lanes: Container[str]) -> Compartment:
    facts = {lane: facts for lane, facts in (compartment.facts or {}).items() if lane in lanes}
    return replace(compartment, seen=b"", facts=facts)


def recorded_profile(record: DecisionRecord) -> Profile:
    """Return the customer as the decision read it; raises `Damaged` where that is no profile."""
    profile = decode_customer(record.profile)
    if not isinstance(profile, Profile):
        raise Damaged("record: no profile in it")
    return profile


def recorded_exhausted(record: DecisionRecord) -> frozenset[str]:
    """Return the offers that were used up, as far as the decision met them."""
    return frozenset(record.exhausted).union(exhausted_among(record.decision.withheld))


def exhausted_among(withheld: Iterable[WithheldOffer]) -> Iterator[str]:
    """Yield those of `withheld` that were used up."""
    return (one.offer for one in withheld if one.reason == Reason.EXHAUSTED)


def _row(index: OfferIndex, offer_id: str) -> int:
    row = index.rows.row_of(offer_id)
    assert row is not None, "the small index holds every candidate"
    return row


def _small(item: Item, place: str) -> Item:
    return replace(item, stock=_stock(item.stock, place))


def _small_offer(offer: Offer, lead: str, place: str) -> Offer:
    return replace(offer, items=(lead,), stock=_stock(offer.stock, place))


def _looked_at(row: Row, lead: str) -> Row:
    """Return a row as caps look at it, an offer with the item that leads it where one does."""
    if isinstance(row, Item):
        return replace(row, stock=())
    return replace(row, items=(lead,) if lead else row.items[:1], stock=())


def _stock(stock: tuple[Stock, ...], place: str) -> tuple[Stock, ...]:
    """Return the entries that tell of stock at `place` and anywhere, and when it was counted."""
    if len(stock) <= 1:
        return stock
    kept = [entry for entry in stock if entry.place == place]
    kept += [entry for entry in stock if entry.quantity > 0][:1]
    kept.append(max(stock, key=lambda entry: entry.as_of))
    return tuple(dict.fromkeys(kept))
