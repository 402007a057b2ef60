"""The proof that metrics stay bounded: random ids by the thousand, through the real handlers."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from throughline.v1 import customer_pb2, event_pb2, offer_pb2, recommendation_pb2, release_pb2

from models.domain.channels import CHANNELS
from models.domain.event_types import EVENT_TYPES
from tests.support.in_process import Running, event, loyalty, recommend_request, running
from tests.support.metrics_scrape import CANARY, Scraped, scrape, scraping
from tests.support.proof_table import Proof

pytestmark = pytest.mark.machine

SERIES = 2_000


class Ids:
    """Random ids, each one new; `made` is how many."""

    def __init__(self) -> None:
        self._random = random.Random(4711)
        self.made = 0

    def __call__(self) -> str:
        """Return an id, which may stand as a name, too."""
        self.made += 1
        return f"{CANARY}{self._random.getrandbits(64):016x}"

    def some(self, number: int) -> list[str]:
        """Return several."""
        return [self() for _ in range(number)]


def requests(ids: Ids, wanted: int) -> Iterator[tuple[str, Message]]:
    """Yield requests of every kind until they hold that many ids."""
    channels, types = sorted(CHANNELS), sorted(set(EVENT_TYPES) - {"attributes_changed"})
    turn = 0
    while ids.made < wanted:
        turn += 1
        channel = channels[turn % len(channels)]
        yield (
            "EventService/RecordEvents",
            event_pb2.RecordEventsRequest(
                events=[
                    event(
                        ids(),
                        ids(),
                        types[number % len(types)],
                        channel=channel,
                        item_id=ids(),
                        offer_id=ids(),
                        decision_id=ids(),
                        place=ids(),
                        placement=ids(),
                    )
                    for number in range(100)
                ]
                + [event(ids(), ids(), ids()), event(ids(), ids(), channel=ids())]
            ),
        )
        many: dict[str, Any] = {"include": ids.some(1_000), "exclude": ids.some(1_000)}
        yield (
            "RecommendationService/Recommend",
            recommend_request(*ids.some(16), channel=channel, placement=ids(), **many),
        )
        yield "RecommendationService/Recommend", recommend_request(ids(), channel=ids())
        yield (
            "RecommendationService/RecommendBatch",
            recommendation_pb2.RecommendBatchRequest(
                requests=[recommend_request(ids(), channel=channel) for _ in range(10)]
            ),
        )
        link = customer_pb2.LinkIdentifiersRequest(
            a=loyalty(ids()), b=loyalty(ids()), asserted_by=ids()
        )
        yield "CustomerService/LinkIdentifiers", link
        customer = customer_pb2.GetCustomerRequest(identifiers=[loyalty(ids())])
        yield "CustomerService/GetCustomer", customer
        yield "OfferService/GetOffer", offer_pb2.GetOfferRequest(offer_id=ids())
        yield "OfferService/GetItem", offer_pb2.GetItemRequest(item_id=ids())
        withdrawn = offer_pb2.WithdrawItemsRequest(item_ids=ids.some(1_000))
        yield "OfferService/WithdrawItems", withdrawn
        yield "ReleaseService/PromoteRelease", release_pb2.PromoteReleaseRequest(release_id=ids())
        yield f"{ids()}/{ids()}", release_pb2.RollbackReleaseRequest()
        if turn % 20 == 1:
            items = [offer_pb2.Item(item_id=ids(), title=ids()) for _ in range(10)]
            yield "OfferService/UpsertItems", offer_pb2.UpsertItemsRequest(items=items)


def series_before_and_after(directory: Path, wanted: int) -> tuple[int, int, int, int]:
    """Send that many random ids; return series before and after, ids sent and calls refused."""
    ids, refused = Ids(), 0
    with running(directory) as live, scraping(live) as port:
        before = scrape(port)
        sent = 0
        for method, request in requests(ids, wanted):
            sent += 1
            refused += not answered(live, method, request)
        after = scrape(port)
    assert keys(after) == keys(before)
    calls = after.figures("throughline_calls_total", "code")
    assert sum(calls.values()) == sent
    assert sum(calls.values()) - calls[("OK",)] == refused
    assert CANARY not in after.text
    return len(before.samples), len(after.samples), ids.made, refused


def answered(live: Running, method: str, request: Message) -> bool:
    """Call a method and tell whether it answered."""
    try:
        live.raw(method, request.SerializeToString())
    except grpc.RpcError:
        return False
    return True


def keys(scraped: Scraped) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Return the series of a scrape."""
    return {(sample.name, frozenset(sample.labels.items())) for sample in scraped.samples}


def test_random_ids_make_no_series(tmp_path: Path) -> None:
    """Twenty thousand ids of every kind add no series to those of a server just started."""
    before, after, sent, refused = series_before_and_after(tmp_path, 20_000)
    assert before == after <= SERIES
    assert sent >= 20_000
    assert refused > 0


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_million_random_ids_make_no_series(tmp_path: Path, proof: Proof) -> None:
    """A million ids of every kind, in calls that are answered or refused, add no series."""
    before, after, sent, refused = series_before_and_after(tmp_path, 1_000_000)
    assert before == after <= SERIES
    proof(
        "G7",
        f"{sent:,} random ids of customers, events, items, offers, places, releases, names and "
        f"methods; {refused:,} calls refused",
        f"{after:,} series, as before the first call (at most {SERIES:,})",
    )
