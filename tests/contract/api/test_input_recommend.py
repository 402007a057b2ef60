"""Odd and bad requests for offers: what each case must be answered.

| input | answer |
|---|---|
| unknown customer | OK, cold answer, COLD_START |
| count 0, negative, over 100 | OK with 10; INVALID_ARGUMENT |
| no channel, an undeclared one | INVALID_ARGUMENT |
| nothing eligible | OK, empty, NONE_ELIGIBLE |
| unknown ids in include, exclude, context | OK, counted, UNKNOWN_IDS |
| include and exclude the same | OK, exclude wins; empty with the reason |
| an undeclared intent, a placement that is no name | INVALID_ARGUMENT |
| context item without an id | INVALID_ARGUMENT |
| a bad request in a batch | an outcome of its own |
| a forged page token, one of another list | INVALID_ARGUMENT |
| Redis away | OK, STATE_UNAVAILABLE |
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from throughline.v1 import common_pb2, offer_pb2, recommendation_pb2

from service.contract import limits
from tests.support.in_process import Running, recommend_request, running
from tests.support.redis_server import RedisServer
from tests.support.refusals import CHANNELS_TOLD, INTENTS_TOLD, refused, wrong

pytestmark = pytest.mark.machine

RECOMMEND = "RecommendationService/Recommend"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("recommend")) as started:
        yield started


def test_unknown_customer(live: Running) -> None:
    """A customer whom nobody knows gets offers, flagged COLD_START."""
    answer = live.recommend("nobody")
    assert len(answer.offers) == 10
    assert common_pb2.FLAG_COLD_START in answer.flags


def test_how_many(live: Running) -> None:
    """A count of 0 is the default of 10; a negative one or one over 100 is refused."""
    assert len(live.recommend("a", count=0).offers) == 10
    for count, reason in ((-1, "negative"), (101, "too large; max 100")):
        told = refused(live, RECOMMEND, recommend_request("a", count=count))
        assert told == wrong(f"count: {reason}")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"channel": ""}, "channel: required"),
        ({"channel": "billboard"}, f"channel: unknown; {CHANNELS_TOLD}"),
        ({"channel": "Web"}, f"channel: not a name; did you mean web? {CHANNELS_TOLD}"),
        ({"intent": "gift"}, f"intent: unknown; {INTENTS_TOLD}"),
        ({"intent": "a b"}, f"intent: not a name; {INTENTS_TOLD}"),
        ({"placement": "p" * 65}, "placement: too long; max 64"),
        ({"placement": "a-b"}, "placement: not a name"),
        ({"place": "p" * 65}, "place: too long; max 64"),
        ({"place": "a\x00"}, "place: control character"),
        ({"include": [""]}, "include[0]: required"),
        ({"exclude": ["a", "b" * 257]}, "exclude[1]: too long; max 256"),
        ({"context_items": [{}]}, "context_items[0].item_id: required"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_field(live: Running, change: dict[str, object], text: str) -> None:
    """Each field of a request that is not as the contract says is refused by its path."""
    fields: dict[str, object] = {"channel": "web", **change}
    request = recommend_request("a", **fields)  # type: ignore[arg-type]
    assert refused(live, RECOMMEND, request) == wrong(text)


def test_nobody_to_decide_for(live: Running) -> None:
    """A request without an identifier is refused."""
    assert refused(live, RECOMMEND, recommend_request()) == wrong("identifiers: required")


def test_nothing_eligible(tmp_path: Path) -> None:
    """Where no offer is eligible the answer is OK, empty, and says so."""
    with running(tmp_path, rows=[]) as live:
        answer = live.recommend("a")
    assert list(answer.offers) == []
    assert common_pb2.FLAG_NONE_ELIGIBLE in answer.flags


def test_unknown_ids(live: Running) -> None:
    """Ids that the catalogue does not have are counted and flagged, and no error."""
    answer = live.recommend(
        "a",
        exclude=["no-1", "item:item1"],
        include=["no-2", "item:item2"],
        context_items=[recommendation_pb2.ContextItem(item_id="no-3")],
    )
    assert answer.unknown_ids == 3
    assert common_pb2.FLAG_UNKNOWN_IDS in answer.flags
    assert [offer.offer_id for offer in answer.offers] == ["item:item2"]


def test_include_and_exclude_the_same(live: Running) -> None:
    """Of an id that is included and excluded, exclude wins; with nothing left that is said."""
    both = ["item:item1", "item:item2"]
    answer = live.recommend("a", include=both, exclude=both[:1])
    assert [offer.offer_id for offer in answer.offers] == both[1:]
    answer = live.recommend("a", include=both, exclude=both)
    assert list(answer.offers) == []
    assert common_pb2.FLAG_NONE_ELIGIBLE in answer.flags
    answer = live.recommend("a", include=["no-such-offer"])
    assert list(answer.offers) == []
    assert common_pb2.FLAG_NONE_ELIGIBLE in answer.flags


def test_bad_request_in_a_batch(live: Running) -> None:
    """A bad request of a batch has its own outcome; the others are answered."""
    requests = [recommend_request("a"), recommend_request("b", count=-1), recommend_request("c")]
    answer = live.client.recommendations.RecommendBatch(
        recommendation_pb2.RecommendBatchRequest(requests=requests)
    )
    outcomes = [(result.outcome.code, result.outcome.detail) for result in answer.results]
    assert outcomes == [(0, ""), (3, "count: negative"), (0, "")]
    assert [bool(result.response.offers) for result in answer.results] == [True, False, True]


def test_page_token(live: Running) -> None:
    """A page token that is forged, or was given for another list, is refused."""
    listed = live.client.offers.ListItems(offer_pb2.ListItemsRequest(page_size=1))
    for method, request in (
        ("OfferService/ListItems", offer_pb2.ListItemsRequest(page_token="bm90LWl0")),
        (
            "OfferService/ListOffers",
            offer_pb2.ListOffersRequest(page_token=listed.next_page_token),
        ),
    ):
        assert refused(live, method, request) == wrong("page_token: invalid")


def test_redis_away(tmp_path: Path, own_redis: RedisServer) -> None:
    """Without Redis a decision is still made, without history, and flagged."""
    with running(tmp_path, store=own_redis.url, key="ab" * 32) as live:
        assert common_pb2.FLAG_STATE_UNAVAILABLE not in live.recommend("a").flags
        own_redis.kill()
        answer = live.recommend("a")
        assert common_pb2.FLAG_STATE_UNAVAILABLE in answer.flags
        assert len(answer.offers) == 10
        asked = recommendation_pb2.RecommendBatchRequest(
            requests=[recommend_request("a"), recommend_request("b")]
        )
        for result in live.client.recommendations.RecommendBatch(asked).results:
            assert common_pb2.FLAG_STATE_UNAVAILABLE in result.response.flags


def test_a_batch_ends_where_its_answer_is_full(
    live: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would not fit into the message is not decided; who waits is told to ask again."""
    asked = recommendation_pb2.RecommendBatchRequest(
        requests=[recommend_request(name) for name in ("a", "b", "c", "d")]
    )
    whole = live.client.recommendations.RecommendBatch(asked)
    monkeypatch.setattr(limits, "BATCH_BYTES", whole.results[0].ByteSize() + 1)
    answer = live.client.recommendations.RecommendBatch(asked)
    full = (8, "answer: full; not decided, ask again")
    outcomes = [(result.outcome.code, result.outcome.detail) for result in answer.results]
    assert outcomes == [(0, ""), (0, ""), full, full]
    assert [result.HasField("response") for result in answer.results] == [True, True, False, False]


def test_a_batch_at_its_limit_and_one_answer_more_fit_into_a_message() -> None:
    """The largest answer there is, beside answers up to the limit, is below 4 MiB."""
    wide = "x" * limits.ID_BYTES
    answer = recommendation_pb2.RecommendResponse(decision_id=wide)
    for _ in range(limits.COUNT):
        offer = answer.offers.add(offer_id=wide, item_id=wide, title=wide)
        for _ in range(3):
            offer.because.add(type="x" * limits.NAME_BYTES, item_id=wide)
    for _ in range(limits.WITHHELD):
        answer.withheld.add(offer_id=wide, rule="x" * limits.NAME_BYTES)
    assert limits.BATCH_BYTES + 2 * answer.ByteSize() < limits.MESSAGE_BYTES
