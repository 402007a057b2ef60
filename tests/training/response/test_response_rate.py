"""The rate of response: which contacts were responded to, what leads an offer, and the figures."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.clock_time import DAY
from models.domain.catalogue import Item, Offer
from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event
from models.errors import BadDataset
from models.ranking.offer_members import MEMBERS_LIMIT
from models.recommender.item_history import item_history_of
from models.recommender.ranker_features import ranker_features
from models.recommender.trees import Trees, read_trees
from models.recommender.user_features import HistoryConfig
from models.release.gate import worst
from training.evaluation.incumbent import IN_FORCE, MODEL, comparison
from training.log.event_log import Customer, Log
from training.log.profile_builder import ProfileBuilder
from training.ranking.calibrate import calibrate
from training.ranking.fit_trees import RankerSettings, grow_trees, scale_scores
from training.response.contacts import Contact, ResponseConfig, contacts_of, offer_items
from training.response.figures import AUC, LOSS, WITHIN, aucs, aucs_within, response_figures
from training.response.rate_model import (
    DescribedContacts,
    fit_response_rate,
    log_odds,
    rates_by_offer,
)

WEEK = ResponseConfig(days=7.0)
OFFERS = ("one", "item:a")
WHO = bytes(16)
DECLARED = ranker_features(("any>any",))
FEW = RankerSettings(trees=40, leaves=7, least_rows=20)


def at(
    day: float, type_: str, offer: str = "one", channel: str = "web", *, item: str = ""
) -> Event:
    """Return an event of the one customer on a day."""
    return Event(
        event_id=f"{day}{type_}{offer}{item}{channel}",
        identifier=WHO,
        type=type_,
        channel=channel,
        time=round(day * DAY),
        offer=offer,
        item=item,
    )


def log_of(*events: Event) -> Log:
    """Return the log of one customer, of an offer over two items."""
    return Log(
        metadata=Metadata(kind="timed", source="test"),
        customers=(Customer((WHO,), tuple(sorted(events, key=lambda event: event.time or 0))),),
        items={name: Item(id=name) for name in "ab"},
        offers=(Offer(id="one", items=("b", "gone", "a")), Offer(id="none", items=("gone",))),
        event_types=EVENT_TYPES,
        customer_of={WHO: 0},
    )


def responded(*events: Event, window: tuple[float, float] = (0, 100)) -> list[bool]:
    """Return which contacts of a log count as responded to."""
    start, end = (round(day * DAY) for day in window)
    return [one.responded for one in contacts_of(log_of(*events), WEEK, (start, end))]


def test_the_latest_contact_gets_the_response() -> None:
    """Of two contacts with an offer the later one before the response counts, on any channel."""
    first, second = at(1, "impression"), at(2, "sent", channel="email")
    assert responded(first, second, at(3, "click")) == [False, True]
    assert responded(first, at(1.5, "accept", channel="app"), second) == [True, False]
    assert responded(first, at(3, "click", offer="other")) == [False]
    assert responded(first, at(3, "dismiss"), at(3, "open")) == [False]


def test_a_response_has_its_days() -> None:
    """A response on the last day counts, one after it does not, nor one before the contact."""
    assert responded(at(1, "impression"), at(8, "click")) == [True]
    assert responded(at(1, "impression"), at(8.001, "click")) == [False]
    assert responded(at(1, "click"), at(2, "impression")) == [False]


def test_contacts_may_be_followed_beyond_their_window() -> None:
    """What became of a contact may be known later than the window ends, and none is added."""
    log = log_of(at(1, "impression"), at(6, "click"), at(12, "impression"))
    window, until = (0, round(5 * DAY)), round(9 * DAY)
    assert contacts_of(log, WEEK, window) == []
    (found,) = contacts_of(log, WEEK, window, until)
    assert found.responded


def test_an_item_stands_for_its_default_offer() -> None:
    """A contact with an item, and a response to its default offer, are about the same."""
    shown = at(1, "impression", offer="", item="a")
    assert responded(shown, at(2, "click", offer="item:a")) == [True]
    assert responded(at(1, "impression", offer="", item="")) == []


def test_a_past_counts_what_was_responded_to() -> None:
    """Responses count by their types, whatever they are about, and only where types are named."""
    log = log_of(at(1, "click"), at(2, "redeem", offer="two"), at(3, "dismiss"), at(4, "sent"))
    view = ProfileBuilder(log, log.customers[0].events).view()
    config = HistoryConfig(responses=("click", "redeem"))
    assert item_history_of(view, {"a": 0}, config, 0).responses == 2
    assert item_history_of(view, {"a": 0}, HistoryConfig(), 0).responses == 0


def test_offers_are_about_items_that_there_are() -> None:
    """An offer has the rows of its known items; one without any is about nothing."""
    found = offer_items(log_of(), {"a": 0, "b": 1}, np.zeros(2, np.float32))
    rows = {name: rows.tolist() for name, rows in found.items()}
    assert rows == {"one": [0, 1], "item:a": [0], "item:b": [1]}


def test_a_large_offer_is_judged_by_what_serving_judges_it_by() -> None:
    """Of an offer over more items than count, the most popular do, as in the index."""
    names = [f"{at:03}" for at in range(MEMBERS_LIMIT + 10)]
    log = replace(log_of(), offers=(Offer(id="many", items=tuple(names)),))
    row_of = {name: row for row, name in enumerate(names)}
    weights = np.arange(len(names), dtype=np.float32)
    assert offer_items(log, row_of, weights)["many"].tolist() == list(range(10, len(names)))


def test_an_unknown_type_is_refused() -> None:
    """What a log does not know is no response."""
    with pytest.raises(BadDataset, match=r"responses\.types: no such event type: wink"):
        contacts_of(log_of(), ResponseConfig(types=("click", "wink")), (0, DAY))


days = st.integers(0, 40)
acts = st.lists(
    st.tuples(days, st.sampled_from(("impression", "sent", "click")), st.sampled_from(OFFERS)),
    max_size=12,
    unique=True,
)


@given(acts, acts, days)
def test_nothing_from_the_end_on_is_seen(
    before: list[tuple[int, str, str]], later: list[tuple[int, str, str]], end: int
) -> None:
    """Whatever comes from the end of the window on, contacts and responses are the same."""
    early = [at(*act) for act in before if act[0] < end]
    late = [at(*act) for act in later if act[0] >= end]
    window = (0, end)
    assert responded(*early, *late, window=window) == responded(*early, window=window)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=2),
)
def test_auc_is_the_share_of_pairs(rows: list[tuple[int, bool, int]]) -> None:
    """Both AUCs are what comparing every pair says."""
    scores = np.array([row[0] for row in rows], np.float64)
    hits = np.array([row[1] for row in rows])
    customers = np.array([row[2] for row in rows])

    def plain(part: Sequence[int]) -> float | None:
        pairs = [(a, b) for a in part if hits[a] for b in part if not hits[b]]
        if not pairs:
            return None
        won = sum((scores[a] > scores[b]) + 0.5 * (scores[a] == scores[b]) for a, b in pairs)
        return float(won / len(pairs))

    whole = plain(range(len(rows)))
    found = aucs(scores, hits)
    assert (whole is None and not found.size) or found.mean() == pytest.approx(whole)
    own = [plain(np.flatnonzero(customers == one).tolist()) for one in np.unique(customers)]
    assert aucs_within(scores, hits, customers) == pytest.approx([x for x in own if x is not None])


def made(contacts: int, seed: int) -> DescribedContacts:
    """Return contacts with offers of up to three items, responded to by the best item's signal."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 4, contacts)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    matrix = np.zeros((starts[-1], len(DECLARED)), np.float32)
    matrix[:, 0] = random.uniform(0, 1, len(matrix))
    best = np.maximum.reduceat(matrix[:, 0], starts[:-1])
    rates = 0.02 + 0.4 * best**2
    shown = [
        Contact(at // 10, at, "one", ("web", "app")[at % 2], bool(random.random() < rate))
        for at, rate in enumerate(rates)
    ]
    return DescribedContacts(shown, matrix, starts)


def grown(part: DescribedContacts, hits: NDArray[np.bool_]) -> Trees:
    """Return trees over every item of the contacts, each with a hit of its own."""
    return read_trees(grow_trees(part.matrix, hits, DECLARED, FEW, 1))


def test_what_leads_is_found_with_the_rate() -> None:
    """From a first choice that is chance, the best item of each offer and its rate are learnt."""
    part, later = made(6000, 5), made(6000, 6)
    coin = np.random.default_rng(1).random(len(part.matrix)) < 0.3
    found = fit_response_rate([part], grown(part, coin), DECLARED, FEW, 4, 1)
    rows, scores = later.leading_items(found.trees)
    best = np.maximum.reduceat(later.matrix[:, 0], later.starts[:-1])
    assert np.abs(later.matrix[rows, 0] - best).mean() < 0.02
    rates = found.calibration.rate(scores)
    assert abs(rates.mean() - later.responded.mean()) < 0.02
    truth = 0.02 + 0.4 * best.astype(np.float64) ** 2
    assert np.abs(rates - truth).mean() < 0.03


def test_a_scaled_ensemble_scores_in_proportion() -> None:
    """Each score is the multiple and the shift, in LightGBM too; more trees may be grown on it."""
    part = made(500, 5)
    trees = grown(part, part.matrix[:, 0] > 0.7)
    text = scale_scores(trees.text, 0.37, -1.25)
    wanted = 0.37 * trees.score(part.matrix) - 1.25
    assert read_trees(text).score(part.matrix) == pytest.approx(wanted)
    booster = lightgbm.Booster(model_str=text)
    assert booster.predict(part.matrix, raw_score=True) == pytest.approx(wanted)
    slow = replace(FEW, trees=3, learning_rate=1e-9)
    hits = part.matrix[:, 0] > 0.5
    more = read_trees(grow_trees(part.matrix, hits, DECLARED, slow, 1, text))
    assert more.count == trees.count + 3
    assert more.score(part.matrix) == pytest.approx(wanted, abs=1e-6)


def test_log_odds_are_found() -> None:
    """Logistic regression finds slope and shift; where it would turn the order it has no slope."""
    random = np.random.default_rng(2)
    scores = random.normal(1, 2, 20_000)
    hits = random.random(20_000) < 1 / (1 + np.exp(2 - 0.7 * scores))
    slope, shift = log_odds(scores, hits)
    assert slope == pytest.approx(0.7, abs=0.03)
    assert shift == pytest.approx(-2, abs=0.06)
    share = hits.mean()
    everybody = float(np.log(share / (1 - share)))
    slope, shift = log_odds(-scores, hits)
    assert slope == 0.0
    assert shift == pytest.approx(everybody)
    slope, shift = log_odds(np.full(20_000, 3.0), hits)
    assert 3 * slope + shift == pytest.approx(everybody)


@pytest.mark.parametrize("contacts", [200, 200_000])
def test_few_hits_leave_the_rate_to_the_trees(contacts: int) -> None:
    """Of few contacts the rate stays near the odds that the trees give, of many it is their own."""
    random = np.random.default_rng(3)
    scores = random.normal(-2, 1, contacts)
    said = 1 / (1 + np.exp(-scores))
    came = calibrate(scores, random.random(contacts) < said / 2, 100.0).rate(scores)
    share = float(np.mean(came / said))
    assert (0.7 < share < 1) if contacts == 200 else share == pytest.approx(0.5, abs=0.05)


def test_too_few_responses_teach_nothing() -> None:
    """Where hardly anybody responded no rate is learnt."""
    part = made(60, 5)
    contacts = [one._replace(responded=at < 3) for at, one in enumerate(part.contacts)]
    few = replace(part, contacts=contacts)
    coin = np.arange(len(part.matrix)) % 2 == 0
    with pytest.raises(BadDataset, match="3 responses to contacts before the test; min 50"):
        fit_response_rate([few], grown(part, coin), DECLARED, FEW, 4, 1)
    nobody = DescribedContacts((), part.matrix[:0], np.zeros(1, np.int64))
    with pytest.raises(BadDataset, match="no contact before the test"):
        fit_response_rate([nobody], grown(part, coin), DECLARED, FEW, 4, 1)


def test_values_are_summed_by_contact() -> None:
    """What its items say is added up for each contact's offer."""
    part = made(50, 3)
    sums = [float(part.matrix[a:b, 0].sum()) for a, b in pairwise(part.starts.tolist())]
    assert part.sum_over_items(part.matrix[:, 0]) == pytest.approx(sums)


def test_rates_by_offer_are_drawn_to_that_of_all() -> None:
    """An offer's rate is its own where it was shown often, and that of all where never."""
    often = [Contact(0, at, "one", "web", at % 2 == 0) for at in range(2000)]
    seldom = [Contact(0, at, "two", "web", responded=False) for at in range(8000)]
    asked = [Contact(1, 0, name, "web", responded=True) for name in ("one", "two", "three")]
    one, two, three = rates_by_offer(often + seldom, asked).tolist()
    assert one == pytest.approx(0.5, abs=0.005)
    assert two == pytest.approx(0.0, abs=0.005)
    assert three == pytest.approx(0.1, abs=0.001)


def test_a_single_response_holds_no_release() -> None:
    """A figure counts as cases what it is the mean of: the gate does not judge by one response."""
    shown = [Contact(at, at, "one", "web", responded=at == 7) for at in range(100)]
    worse = np.linspace(1.0, 0.0, 100) * (np.arange(100) != 7)
    better = 1.0 - worse
    both = {MODEL: worse, IN_FORCE: better}
    found = response_figures(shown, both, {MODEL: worse}, (10, 1), 1)
    assert {one.n for one in found.measured} == {1}
    assert worst(comparison("a", "b", found.measured).leads) is None


def test_intervals_are_over_customers() -> None:
    """What one customer does a hundred times is no more certain than the one customer."""
    random = np.random.default_rng(4)
    often = np.repeat(random.random(40) < 0.5, 100)
    scores = random.random(len(often))

    def width(customers: NDArray[np.int64]) -> float:
        shown = [
            Contact(int(one), at, "one", "web", bool(hit))
            for at, (one, hit) in enumerate(zip(customers, often, strict=True))
        ]
        found = response_figures(shown, {MODEL: scores}, {MODEL: scores}, (10, 1), 1)
        return found.calibrated[0].responded.high - found.calibrated[0].responded.low

    assert width(np.repeat(np.arange(40), 100)) > 5 * width(np.arange(len(often)))


def test_figures_have_their_sign_and_slices() -> None:
    """The first ranker leads a worse one by every figure, over all and on each channel."""
    part = made(3000, 7)
    best = np.maximum.reduceat(part.matrix[:, 0], part.starts[:-1]).astype(np.float64)
    truth, flat = 0.02 + 0.4 * best**2, np.full(len(best), part.responded.mean())
    both = {"release": truth, "one rate for all": flat}
    found = response_figures(part.contacts, both, both, (10, 1), 1)
    for name in ("all", "on web", "on app"):
        (other,) = (m for m in found.measured if m.slice == name and m.ranker != "release")
        assert other.metrics[AUC].value == pytest.approx(0.5)
        assert all(other.lead[metric].low > 0 for metric in (AUC, WITHIN, LOSS))
    forecast = {one.slice: one for one in found.calibrated}
    assert forecast["all"].n == 3000
    assert forecast["on web"].responded.low < forecast["on web"].forecast
    assert found.error[0] < 3 * found.by_chance[0]
    off = response_figures(part.contacts, both, {"release": truth / 2}, (10, 1), 1)
    assert off.error[0] > 4 * off.by_chance[0]
    entropy = -(flat * np.log(flat) + (1 - flat) * np.log(1 - flat)).mean()
    (whole,) = (m for m in found.measured if m.slice == "all" and m.ranker != "release")
    assert whole.metrics[LOSS].value == pytest.approx(entropy)
