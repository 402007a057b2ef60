"""Which offers are meant: by what they are, and by what they cost and are worth."""

import msgspec

from models.domain.catalogue import OfferClass, Row, offer_id


class StrictStruct(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a person writes down: a field that there is not is refused, and defaults stay unsaid."""


class Selector(StrictStruct, frozen=True, kw_only=True):
    """Which offers a rule is about: those that every given field holds for; none given: all.

    A field with several values holds where one of them does. The default offer of an item has the
    item's features.
    """

    offers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    classes: tuple[OfferClass, ...] = ()
    sensitivities: tuple[str, ...] = ()
    features: dict[str, tuple[str, ...]] = {}


class OfferHas(StrictStruct, frozen=True, kw_only=True, tag_field="kind", tag="offer"):
    """What the offer itself is: price within bounds, counted in units of its currency."""

    price_at_least: float | None = None
    price_at_most: float | None = None
    value_at_least: float | None = None
    margin_at_least: float | None = None  # value as a share of the price


def selects(selector: Selector, offer: Row) -> bool:
    """Tell whether a selector is about an offer; an item stands for its default offer."""
    return (
        (not selector.offers or offer_id(offer) in selector.offers)
        and (not selector.groups or not set(selector.groups).isdisjoint(offer.groups))
        and (not selector.classes or offer.offer_class in selector.classes)
        and (not selector.sensitivities or offer.sensitivity in selector.sensitivities)
        and all(
            not set(values).isdisjoint(offer.features.get(name, ()))
            for name, values in selector.features.items()
        )
    )
