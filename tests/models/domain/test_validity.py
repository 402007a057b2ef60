"""The one rule of when an offer may be shown: its validity, its price, and why it may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.catalogue import Catalogue, Item, Money, Offer, Row, Stock
from models.domain.reasons import Reason
from models.domain.validity import ALWAYS, NEVER, shown_from, shown_until, unavailable
from models.ranking.offer_index import OfferIndex
from tests.support.decisions import index

PRICE = Money("EUR", 1)
moments = st.none() | st.integers(1, 9)
rows = st.builds(
    Offer,
    id=st.just("o"),
    items=st.just(("item1",)),
    valid_from=moments,
    valid_until=moments,
    price=st.just(PRICE),
    price_until=moments,
    stock=st.sampled_from(((), (Stock("s", 0, 0),), (Stock("s", 1, 0),))),
    withdrawn=st.booleans(),
)


@pytest.mark.parametrize(
    ("row", "since", "until"),
    [
        (Item(id="i"), ALWAYS, NEVER),
        (Offer(id="o", valid_from=3, valid_until=7), 3, 7),
        (Item(id="i", valid_until=7, price=PRICE, price_until=5), ALWAYS, 5),
        (Offer(id="o", valid_until=7, price=PRICE, price_until=9), ALWAYS, 7),
    ],
)
def test_an_offer_is_shown_until_it_or_its_price_is_over(row: Row, since: int, until: int) -> None:
    """The earlier end of validity and price counts; nothing said is no bound."""
    assert (shown_from(row), shown_until(row)) == (since, until)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Item(id="i", withdrawn=True, valid_until=5), Reason.WITHDRAWN),
        (Item(id="i", valid_from=6, price=PRICE, price_until=5), Reason.NOT_VALID),
        (Item(id="i", valid_until=5, price=PRICE, price_until=4), Reason.NOT_VALID),
        (Item(id="i", valid_until=6, price=PRICE, price_until=5), Reason.PRICE_EXPIRED),
        (Item(id="i", valid_until=6, stock=(Stock("s", 0, 0),)), Reason.OUT_OF_STOCK),
    ],
)
def test_why_an_offer_is_unavailable(row: Row, reason: Reason) -> None:
    """Withdrawal comes before validity, validity before the price, and stock is last."""
    assert unavailable(row, 5) == reason


@given(row=rows, now=st.integers(0, 10))
def test_the_index_and_the_reason_follow_one_rule(row: Offer, now: int) -> None:
    """An offer is eligible where the rule says so, and its reason names what the rule stops at."""
    joined = OfferIndex(index().release, Catalogue(1, {"item1": Item(id="item1")}, {"o": row}))
    eligible = bool(joined.availability.eligible(now).mask[joined.rows.row_of("o")])
    valid = shown_from(row) <= now < shown_until(row)
    stocked = not row.stock or row.stock[0].quantity > 0
    assert eligible == (valid and stocked and not row.withdrawn)
    if not eligible:
        reason = unavailable(row, now)
        assert (reason == Reason.WITHDRAWN) == row.withdrawn
        assert (reason == Reason.OUT_OF_STOCK) == (valid and not row.withdrawn)
