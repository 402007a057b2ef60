"""Odd and bad offer checks: what each case must be answered.

| input | answer |
|---|---|
| both a decision and identifiers, or neither | INVALID_ARGUMENT |
| a bad, an unknown or too many identifiers | INVALID_ARGUMENT |
| an unknown decision | NOT_FOUND |
| an offer that the decision did not show | INVALID_ARGUMENT |
| a customer whom nobody knows | OK: a paper coupon is for everybody who may have it |
| an offer that there is not | OK, WITHDRAWN, with an alternative |
| the store away | UNAVAILABLE |
"""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from throughline.v1 import common_pb2
from throughline.v1 import recommendation_pb2 as pb

from tests.support.in_process import Running, loyalty, running
from tests.support.redis_server import RedisServer
from tests.support.refusals import CHANNELS_TOLD, NAMESPACES_TOLD, refused, wrong

pytestmark = pytest.mark.machine

CHECK = "RecommendationService/CheckOffer"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One server for the tests of this file."""
    with running(tmp_path_factory.mktemp("checks")) as started:
        yield started


def asked(*values: str, **more: object) -> pb.CheckOfferRequest:
    """Return a check at the till of a coupon, by these `loyalty` values."""
    fields: dict[str, object] = {"offer_id": "coupon:one", "channel": "till", **more}
    request = pb.CheckOfferRequest(**fields)  # type: ignore[arg-type]
    request.identifiers.extend(loyalty(value) for value in values)
    return request


@pytest.mark.parametrize(
    ("request_", "texts"),
    [
        (asked(), ["decision_id: required"]),
        (
            asked("a", decision_id="d"),
            ["identifiers: beside decision_id, which says whose it is"],
        ),
        (asked("a", offer_id=""), ["offer_id: required"]),
        (asked("a", offer_id="o" * 257), ["offer_id: too long; max 256"]),
        (asked("a", channel=""), ["channel: required"]),
        (asked("a", channel="billboard"), [f"channel: unknown; {CHANNELS_TOLD}"]),
        (asked("a", place="p" * 65), ["place: too long; max 64"]),
        (asked(""), ["identifiers[0].value: required"]),
        (asked("a", "null"), ["identifiers[1].value: not an identifier"]),
        (asked(*("a" * at for at in range(1, 18))), ["identifiers: too many; max 16"]),
        (asked(decision_id="d" * 257), ["decision_id: too long; max 256"]),
        (
            asked(channel="", offer_id=""),
            [
                "decision_id: required",
                "offer_id: required",
                "channel: required",
            ],
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_bad_check(live: Running, request_: pb.CheckOfferRequest, texts: list[str]) -> None:
    """Each field of a check that is not as the contract says is refused by its path."""
    assert refused(live, CHECK, request_) == wrong(*texts)


def test_a_namespace_that_there_is_not(live: Running) -> None:
    """An identifier of a namespace that nobody declared is refused."""
    request = asked()
    request.identifiers.append(common_pb2.Identifier(namespace="passport", value="x"))
    assert refused(live, CHECK, request) == wrong(
        f"identifiers[0].namespace: unknown; {NAMESPACES_TOLD}"
    )


def test_decisions_that_there_are_not(live: Running) -> None:
    """A check by an unknown decision is NOT_FOUND, of an offer that was not shown it is refused."""
    assert refused(live, CHECK, asked(decision_id="nothing")).code == grpc.StatusCode.NOT_FOUND
    made = live.recommend("shown", count=1)
    other = asked(decision_id=made.decision_id, offer_id="coupon:odd")
    assert refused(live, CHECK, other).details == "offer_id: not shown by this decision"


def test_a_customer_whom_nobody_knows(live: Running) -> None:
    """A coupon holds for whoever may have it, also where nothing is stored of them."""
    answer = live.client.recommendations.CheckOffer(asked("never-seen"))
    assert (answer.holds, answer.reason) == (True, pb.WITHHOLD_REASON_UNSPECIFIED)
    assert not answer.HasField("alternative")
    assert not answer.HasField("told_price")


def test_an_offer_that_there_is_not(live: Running) -> None:
    """An offer that the catalogue does not have is WITHDRAWN, and there is another in its stead."""
    answer = live.client.recommendations.CheckOffer(asked("never-seen", offer_id="coupon:none"))
    assert (answer.holds, answer.reason) == (False, pb.WITHHOLD_REASON_WITHDRAWN)
    assert len(answer.alternative.offers) == 1


def test_the_store_is_away(tmp_path: Path, own_redis: RedisServer) -> None:
    """Without the store nobody can say whether an offer was used up: the check is UNAVAILABLE."""
    with running(tmp_path, store=own_redis.url, key="ab" * 32, redis_timeout=0.2) as live:
        own_redis.kill()
        answer = refused(live, CHECK, asked("a"))
        assert answer.code == grpc.StatusCode.UNAVAILABLE
