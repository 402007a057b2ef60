"""What is worth knowing of a policy that is not wrong."""

from collections.abc import Iterable, Iterator

from models.domain.selectors import OfferHas
from models.policy.currency import stated_currency
from models.policy.schema import AllOf, AnyOf, Condition, NoneOf, Policy


def remarks(policy: Policy) -> tuple[str, ...]:
    """Return what whoever checks or publishes a policy should know."""
    if stated_currency(policy):
        return ()
    bounded = [rule.name for rule in policy.eligibility if _bounds_amounts(rule.when)]
    if not bounded:
        return ()
    return (
        f"money.currency: not stated, but {', '.join(bounded)} bound prices or values; where the "
        "catalogue is of several currencies, every amount is unknown and within no bound",
    )


def _bounds_amounts(conditions: Iterable[Condition]) -> bool:
    return any(
        bound is not None
        for has in _offers(conditions)
        for bound in (has.price_at_least, has.price_at_most, has.value_at_least)
    )


def _offers(conditions: Iterable[Condition]) -> Iterator[OfferHas]:
    for condition in conditions:
        if isinstance(condition, OfferHas):
            yield condition
        elif isinstance(condition, AnyOf | AllOf | NoneOf):
            yield from _offers(condition.of)
