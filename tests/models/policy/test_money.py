"""A policy's currency: bounds on offers hold in it, exactly, whatever currency an offer is in."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.amounts import NANOS
from models.domain.catalogue import Item, Money
from models.domain.selectors import OfferHas
from models.policy.amount_columns import AmountColumns
from models.policy.amount_masks import ExactColumn
from models.policy.currency import exchange_of, recorded_exchange
from models.policy.eligibility import offers_having
from models.policy.remarks import remarks
from models.policy.schema import BUILT_IN, Arbitration, Currencies, Policy
from models.policy.selector_masks import SelectorMasks
from models.policy.toml_file import read_policy
from tests.support.paths import ROOT

LARGE = Money("EUR", 999_999_999_999, 990_000_000)
ROWS = [
    Item(id="euro", price=Money("EUR", 50), value=Money("EUR", 5)),
    Item(id="yen", price=Money("JPY", 5_000), value=Money("JPY", 500)),
    Item(id="dollar", price=Money("USD", 50), value=Money("USD", 40)),
    Item(id="none"),
    Item(id="both", price=Money("EUR", 10), value=Money("JPY", 500)),
]
EURO = Policy(money=Currencies(currency="EUR", rates={"JPY": "0.006"}))
DEAR = """
[[eligibility]]
name = "dear"
[[eligibility.when]]
kind = "offer"
price_at_least = 20
price_at_most = 999999999999.99
value_at_least = 0.1
margin_at_least = 1e-5
"""


def having(policy: Policy, catalogue_currency: str = "", **bounds: float) -> list[str]:
    """Return the items within bounds."""
    exchange = exchange_of(policy, policy.money.currency or catalogue_currency)
    found = offers_having(SelectorMasks(ROWS), OfferHas(**bounds), exchange)
    return [row.id for row, within in zip(ROWS, found.tolist(), strict=True) if within]


def test_bounds_hold_in_the_currency_of_the_policy() -> None:
    """JPY 5,000 at 0.006 are within EUR 30 and below EUR 31; what has no rate is within none."""
    assert having(EURO, price_at_least=30) == ["euro", "yen"]
    assert having(EURO, price_at_least=30.000000001) == ["euro"]
    assert having(EURO, price_at_most=30) == ["yen", "both"]
    assert having(EURO, value_at_least=3) == ["euro", "yen", "both"]
    assert having(EURO, value_at_least=3.01) == ["euro"]


def test_without_a_currency_every_amount_is_unknown() -> None:
    """Where neither the policy nor the catalogue has one currency, no bound holds for an amount."""
    assert having(BUILT_IN, price_at_least=0) == []
    assert having(BUILT_IN, price_at_most=10**9) == []
    assert having(BUILT_IN, value_at_least=-1) == []
    assert having(BUILT_IN, "JPY", price_at_least=0) == ["yen"]


def test_a_margin_in_one_currency_needs_no_rate() -> None:
    """A share of the price is known where price and value are of one currency, or have rates."""
    assert having(EURO, margin_at_least=0.1) == ["euro", "yen", "dollar", "both"]
    assert having(EURO, margin_at_least=0.3) == ["dollar", "both"]
    assert having(EURO, margin_at_least=0.31) == ["dollar"]
    assert having(BUILT_IN, margin_at_least=0.1) == ["euro", "yen", "dollar"]


def test_a_record_without_a_currency_compares_bare_numbers() -> None:
    """What decided before there were currencies decides the same again."""
    bare = recorded_exchange(EURO, None)
    found = offers_having(SelectorMasks(ROWS), OfferHas(price_at_least=50), bare)
    assert found.tolist() == [True, True, True, False, False]
    margins = offers_having(SelectorMasks(ROWS), OfferHas(margin_at_least=0.1), bare)
    assert margins.tolist() == [True, True, True, False, False]
    assert recorded_exchange(EURO, "USD").currency == "USD"


def test_large_bounds_are_exact() -> None:
    """A price of 999999999999.99 is within a bound of that, and not within one a cent lower."""
    rule = read_policy(DEAR).eligibility[0].when[0]
    masks, euro = SelectorMasks([Item(id="a", price=LARGE, value=LARGE)]), exchange_of(EURO, "EUR")
    assert isinstance(rule, OfferHas)
    assert offers_having(masks, rule, euro).tolist() == [True]
    for bounds, held in (
        ({"price_at_most": 999999999999.98}, False),
        ({"price_at_least": 999999999999.99}, True),
        ({"value_at_least": 999999999999.991}, False),
    ):
        assert offers_having(masks, OfferHas(**bounds), euro).tolist() == [held]


@given(
    st.lists(st.none() | st.integers(-(10**24), 10**24), max_size=8),
    st.floats(-1e15, 1e15, allow_nan=False) | st.sampled_from((0.1, 19.99, 1e12, 999999999999.99)),
)
def test_a_column_compares_as_fractions_do(numbers: list[int | None], bound: float) -> None:
    """Each number is within a bound just when it is as an exact fraction; unknown ones are not."""
    column = ExactColumn(numbers, NANOS)
    exact = Fraction(repr(bound))
    told = [None if number is None else Fraction(number, NANOS) for number in numbers]
    assert column.at_least(bound).tolist() == [one is not None and one >= exact for one in told]
    assert column.at_most(bound).tolist() == [one is not None and one <= exact for one in told]


amounts = st.none() | st.builds(
    lambda currency, nanos: Money(currency, int(nanos / NANOS), nanos - int(nanos / NANOS) * NANOS),
    st.sampled_from(("EUR", "JPY", "USD")),
    st.integers(-(10**15), 10**15),
)


@given(st.lists(amounts, max_size=8), st.sampled_from((-3.0, 0.0, 0.1, 19.99)))
def test_amounts_compare_as_their_nanos_do(found: list[Money | None], bound: float) -> None:
    """Amounts, also negative ones, are within a bound just when their nanos are."""
    euro = exchange_of(EURO, "EUR")
    columns = AmountColumns([Item(id="a", price=money) for money in found])
    column = ExactColumn.of_amounts(columns, columns.prices, euro)
    plain = ExactColumn([euro.nanos(money) for money in found], NANOS)
    for _ in range(2):  # the second time they are kept
        assert column.at_least(bound).tolist() == plain.at_least(bound).tolist()
        assert column.at_most(bound).tolist() == plain.at_most(bound).tolist()


def test_amounts_are_kept_for_each_exchange() -> None:
    """Amounts are worked out once for an exchange, and anew for another one."""
    masks = SelectorMasks(ROWS)
    euro, yen = exchange_of(EURO, "EUR"), exchange_of(BUILT_IN, "JPY")
    assert masks.amounts(euro) is masks.amounts(exchange_of(EURO, "EUR"))
    assert masks.amounts(euro) is not masks.amounts(yen)
    assert np.array_equal(masks.amounts(yen).prices.at_least(0), [0, 1, 0, 0, 0])


def test_rates_are_read_as_they_are_written() -> None:
    """A rate that is a text, a decimal or a whole number is the same rate, to the last digit."""
    text = '[money]\ncurrency = "EUR"\n[money.rates]\nJPY = {}\n'
    one, other = (read_policy(text.format(rate)) for rate in ("0.006123457", '"0.006123457"'))
    assert one == other
    assert one.digest == other.digest
    assert exchange_of(one, "EUR").rates == {"JPY": 6_123_457}
    for rate, nanos in (("1e-9", 1), ("100", 100 * NANOS), ("999999.999999999", 10**15 - 1)):
        assert exchange_of(read_policy(text.format(rate)), "EUR").rates == {"JPY": nanos}


def test_policies_of_before_have_the_digests_of_before() -> None:
    """A policy that says nothing of money is written as it was, so its digest is what it was."""
    assert BUILT_IN.canonical == b"{}"
    retail = (ROOT / "examples/policies/retail.toml").read_text(encoding="utf-8")
    digests = (BUILT_IN.digest, read_policy(retail).digest)
    assert digests == (
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "7829d985e1abce3b362d1760266dffd41b8f8e055b43ea9bf62e70d334cc2aa5",
    )
    bounded = '[arbitration]\nvalue_unknown = ["EUR", 1, 500000000]\n' + DEAR
    digest = "b29ca6a6681391ffec0680c9c9e0098460dc6ecb4e73e6887abe82c5bbfec001"
    assert read_policy(bounded).digest == digest
    assert EURO.canonical == b'{"money":{"currency":"EUR","rates":{"JPY":"0.006"}}}'


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (read_policy(DEAR), True),
        (read_policy('[money]\ncurrency = "EUR"\n' + DEAR), False),
        (read_policy('[arbitration]\nvalue_unknown = ["EUR", 1]\n' + DEAR), False),
        (Policy(arbitration=Arbitration(value=True)), False),
    ],
)
def test_bounds_without_a_currency_are_remarked(policy: Policy, told: bool) -> None:
    """A policy that bounds amounts and states no currency is right, and that is remarked."""
    assert any("dear" in remark and "currency" in remark for remark in remarks(policy)) is told
