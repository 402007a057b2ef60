"""How many offers of a catalogue each part of a policy is about, and which names lead nowhere.

A policy whose names are misspelt is valid and does nothing; counted over a catalogue it shows.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple

import numpy as np

from models.domain.catalogue import Row, offer_id
from models.domain.names import DEFAULT_PREFIX
from models.domain.nearest import COMPARED, did_you_mean
from models.domain.selectors import Selector
from models.numeric.array_types import Mask
from models.policy.row_terms import FEATURE, GROUP, SENSITIVITY, RowTerms
from models.policy.schema import (
    AllOf,
    AnyOf,
    AtTime,
    AttributeIs,
    Condition,
    HappenedLately,
    NoneOf,
    Policy,
)
from models.policy.selector_masks import SelectorMasks

BEHIND = timedelta(hours=12)  # how far the last zone of the world is behind UTC

# The values that customers have of each attribute; None: not known.
Attributes = Mapping[str, Collection[str]] | None


@dataclass(frozen=True)
class OfferView:
    """The offers that a policy is counted over, by row.

    `here` (rows,) marks those that are not withdrawn; of `rows` the first are looked at for hints.
    """

    here: Mask
    selections: SelectorMasks
    terms: RowTerms
    row_of: Callable[[str], int | None]
    rows: Sequence[Row | None]

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> "OfferView":
        """Return the view of items, which stand for their default offers, and of offers."""
        places = {offer_id(row): at for at, row in enumerate(rows)}
        terms = RowTerms(rows)
        here = np.fromiter((not row.withdrawn for row in rows), np.bool_, len(rows))
        return cls(here, SelectorMasks(rows, places.get, terms), terms, places.get, rows)

    def count(self, mask: Mask) -> int:
        """Return how many offers of a mask there are."""
        return int(np.count_nonzero(mask & self.here))

    def has(self, name: str) -> bool:
        """Tell whether there is an offer."""
        row = self.row_of(name)
        return row is not None and bool(self.here[row])

    def first(self) -> Iterator[Row]:
        """Yield some rows, to take hints from."""
        return (row for row in islice(self.rows, COMPARED) if row is not None)


class PartCoverage(NamedTuple):
    """A part of a policy by its key and name: how many offers it is about, and what is odd."""

    key: str
    name: str
    offers: int
    remarks: tuple[str, ...]


class PolicyCoverage(NamedTuple):
    """How many offers there are, and what each part of a policy is about of them."""

    offers: int
    parts: tuple[PartCoverage, ...]


def cover(
    policy: Policy, view: OfferView, now: datetime, attributes: Attributes = None
) -> PolicyCoverage:
    """Count what each rule, cap, lever, placement, cool-down and diversity limit is about."""
    return PolicyCoverage(int(view.here.sum()), tuple(_parts(policy, view, now, attributes)))


def _parts(
    policy: Policy, view: OfferView, now: datetime, attributes: Attributes
) -> Iterator[PartCoverage]:
    for name, placement in policy.placements.items():
        yield _selected(f"placements.{name}", name, placement.about, view)
    for at, rule in enumerate(policy.eligibility):
        odd = [
            remark
            for condition in _leaves(rule.when)
            for remark in _condition(condition, view, now, attributes)
        ]
        yield _selected(f"eligibility[{at}]", rule.name, rule.about, view, odd)
    for at, cap in enumerate(policy.contact.caps):
        yield _selected(f"contact.caps[{at}]", cap.name, cap.about, view)
    if policy.contact.cool_downs.category:
        feature = policy.contact.cool_downs.category
        yield _featured("contact.cool_downs.category", feature, view)
    for at, lever in enumerate(policy.levers):
        odd = [f"until: over since {lever.until.isoformat()}"] if lever.until <= now else []
        yield _selected(f"levers[{at}]", lever.name, lever.about, view, odd)
    for at, limit in enumerate(policy.diversity):
        yield _featured(f"diversity[{at}]", limit.feature, view)


def _selected(
    key: str, name: str, about: Selector, view: OfferView, odd: Iterable[str] = ()
) -> PartCoverage:
    offers = view.count(view.selections.select(about))
    found = [*odd, *_slips(about, view)]
    if not offers and not found:
        found.append("about: no offer is all of it")
    return PartCoverage(key, name, offers, tuple(found))


def _featured(key: str, feature: str, view: OfferView) -> PartCoverage:
    kind = FEATURE + feature
    offers = view.count(view.terms.mask(kind, view.terms.values(kind)))
    odd = () if offers else (_unknown("feature", feature, _feature_names(view)),)
    return PartCoverage(key, feature, offers, odd)


def _slips(about: Selector, view: OfferView) -> Iterator[str]:
    """Yield what a selector names that no offer is or has."""
    for name in about.offers:
        if not view.has(name):
            yield f"about.offers: {_unknown('offer', name, map(offer_id, view.first()))}"
    for key, kind, values in (
        ("groups", GROUP, about.groups),
        ("sensitivities", SENSITIVITY, about.sensitivities),
    ):
        for value in _missing(view, kind, values):
            yield f"about.{key}: {_unknown('offer of', value, view.terms.values(kind))}"
    for name, values in about.features.items():
        known = view.terms.values(FEATURE + name)
        if not known:
            yield f"about.features: {_unknown('feature', name, _feature_names(view))}"
            continue
        for value in _missing(view, FEATURE + name, values):
            yield f"about.features.{name}: {_unknown('offer of', value, known)}"


def _missing(view: OfferView, kind: str, values: Iterable[str]) -> list[str]:
    return [value for value in values if not view.here[view.terms.rows(kind, value)].any()]


def _condition(
    condition: Condition, view: OfferView, now: datetime, attributes: Attributes
) -> Iterator[str]:
    match condition:
        case AtTime(until=datetime() as until) if _is_over(until, now):
            yield f"when: time: over since {until.isoformat()}"
        case HappenedLately():
            named = [*condition.offers, *(DEFAULT_PREFIX + item for item in condition.items)]
            for name in named:
                if not view.has(name):
                    yield f"when: event: {_unknown('offer', name, map(offer_id, view.first()))}"
        case AttributeIs() if attributes is not None:
            values = attributes.get(condition.name)
            if values is None:
                told = _unknown("customer with", condition.name, attributes)
                yield f"when: attribute: {told}"
                return
            for value in condition.one_of:
                if value not in values:
                    yield f"when: {condition.name}: {_unknown('customer of', value, values)}"


def _leaves(conditions: Iterable[Condition]) -> Iterator[Condition]:
    for condition in conditions:
        if isinstance(condition, AnyOf | AllOf | NoneOf):
            yield from _leaves(condition.of)
        else:
            yield condition


def _is_over(until: datetime, now: datetime) -> bool:
    """Tell whether a moment is past everywhere; without an offset it is of the customer's clock."""
    return until <= now if until.tzinfo else until.replace(tzinfo=UTC) + BEHIND <= now


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    return f"no {what} {ascii(name)[:70]}{did_you_mean(name, known)}"


def _feature_names(view: OfferView) -> Iterable[str]:
    return dict.fromkeys(name for row in view.first() for name in row.features)
