"""The currency that a policy compares amounts in, and what it says of others."""

from models.domain.exchange import BARE, Exchange, rate_in_nanos
from models.policy.schema import Policy


def stated_currency(policy: Policy) -> str:
    """Return the currency that a policy states: its own, else that of `value_unknown`; "": none."""
    unknown = policy.arbitration.value_unknown
    return policy.money.currency or ("" if unknown is None else unknown.currency)


def exchange_of(policy: Policy, currency: str) -> Exchange:
    """Return the exchange into `currency` at the rates of a policy; "": every amount is unknown."""
    rates = policy.money.rates
    return Exchange(currency, {name: rate_in_nanos(rate) for name, rate in rates.items()})


def recorded_exchange(policy: Policy, currency: str | None) -> Exchange:
    """Return in what a recorded decision compared amounts; `currency` as its record names it."""
    return BARE if currency is None else exchange_of(policy, currency)
