"""Looking back at a decision: why an offer was shown or not, and whether it still holds."""

from pathlib import Path

import grpc
import pytest
from throughline.v1 import recommendation_pb2 as pb
from typer.testing import CliRunner

from models.domain.catalogue import Item, Money
from models.policy.schema import AtMost, Policy
from service.cli import app
from tests.support.in_process import Running, event, running
from tests.support.small_release import small_rows
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine


def priced(units: int, number: int) -> Item:
    """Return a row of the small catalogue at another price."""
    row = next(row for row in small_rows() if row.id == f"item{number}")
    assert isinstance(row, Item)
    return Item(id=row.id, title=row.title, features=row.features, price=Money("EUR", units, 0))


def put(live: Running, *rows: Item) -> None:
    """Change the catalogue, and wait for nothing: the server takes it over at once."""
    live.server.dependencies.store.put_catalogue(rows)
    live.server.dependencies.active_release.refresh_catalogue()


def code(live: Running, method: str, request: object) -> grpc.StatusCode:
    """Return the status code of a call that fails."""
    with pytest.raises(grpc.RpcError) as failed:
        getattr(live.client.recommendations, method)(request)
    found: grpc.StatusCode = failed.value.code()
    return found


def test_a_decision_is_explained(tmp_path: Path) -> None:
    """Each offer of a catalogue is shown or has a stage, and what would show it, in words too."""
    with running(tmp_path) as live:
        live.record(event("e1", "a", "view", item_id="item3"))
        answer = live.recommend("a", count=3)
        stub = live.client.recommendations
        for shown in answer.offers:
            asked = pb.ExplainDecisionRequest(
                decision_id=answer.decision_id, offer_id=shown.offer_id
            )
            said = stub.ExplainDecision(asked)
            assert said.shown == shown
            assert said.standing.stage == pb.DECISION_STAGE_SHOWN
            assert said.parts.base + said.parts.worth + said.parts.noise == shown.score
            assert said.words
        seen = {shown.offer_id for shown in answer.offers}
        others = [f"item:item{number}" for number in range(6)]
        told = [
            stub.ExplainDecision(
                pb.ExplainDecisionRequest(decision_id=answer.decision_id, offer_id=offer)
            )
            for offer in others
            if offer not in seen
        ]
        assert all(said.standing.stage > pb.DECISION_STAGE_SHOWN for said in told)
        assert any(said.would_show for said in told)
        assert not any(said.catalogue_moved for said in told)
        replayed = stub.ReplayDecision(pb.ReplayDecisionRequest(decision_id=answer.decision_id))
        assert (replayed.same, replayed.differs) == (True, "")
        assert replayed.answer == answer
        nothing = pb.ReplayDecisionRequest(decision_id="nothing")
        assert code(live, "ReplayDecision", nothing) == grpc.StatusCode.NOT_FOUND
        assert code(live, "ReplayDecision", pb.ReplayDecisionRequest()) == (
            grpc.StatusCode.INVALID_ARGUMENT
        )
        gone = pb.ExplainDecisionRequest(decision_id="nothing", offer_id="item:item1")
        assert code(live, "ExplainDecision", gone) == grpc.StatusCode.NOT_FOUND
        empty = pb.ExplainDecisionRequest(decision_id=answer.decision_id)
        assert code(live, "ExplainDecision", empty) == grpc.StatusCode.INVALID_ARGUMENT
        policy = Policy(diversity=(AtMost(feature="category", limit=1),))
        live.registry.publish(policy, 2)
        assert eventually(lambda: live.server.dependencies.active_release.snapshot.policy == policy)
        later = pb.ExplainDecisionRequest(decision_id=answer.decision_id, offer_id="item:item1")
        assert code(live, "ExplainDecision", later) == grpc.StatusCode.FAILED_PRECONDITION
        old = pb.ReplayDecisionRequest(decision_id=answer.decision_id)
        assert code(live, "ReplayDecision", old) == grpc.StatusCode.FAILED_PRECONDITION
    run = CliRunner().invoke
    where = ["--store", f"sqlite:{tmp_path / 'data'}", "--registry", str(tmp_path / "registry")]
    told_again = run(app, ["decisions", "explain", answer.decision_id, others[0], *where])
    assert told_again.exit_code == 0, told_again.output
    assert "is " in told_again.stdout


def test_an_offer_is_checked_when_it_is_redeemed(tmp_path: Path) -> None:
    """What was shown holds until it is dearer, sold out or withdrawn; then there is another."""
    with running(tmp_path) as live:
        put(live, *(priced(10, number) for number in range(40)))
        answer = live.recommend("a", channel="email", count=2)
        offer = answer.offers[0].offer_id
        number = int(answer.offers[0].item_id.removeprefix("item"))
        asked = pb.CheckOfferRequest(
            decision_id=answer.decision_id, offer_id=offer, channel="till", place="s1"
        )
        check = live.client.recommendations.CheckOffer
        first = check(asked)
        assert (first.holds, first.price.units) == (True, first.told_price.units)
        put(live, priced(9, number))
        assert check(asked).holds
        put(live, priced(11, number))
        dearer = check(asked)
        assert not dearer.holds
        expected = {
            True: pb.WITHHOLD_REASON_PRICE_CHANGED,
            False: pb.WITHHOLD_REASON_UNSPECIFIED,
        }
        assert dearer.reason == expected[offer.startswith("item:")]
        assert len(dearer.alternative.offers) == 1
        put(live, Item(id=f"item{number}", withdrawn=True))
        gone = check(asked)
        assert gone.reason in (
            pb.WITHHOLD_REASON_WITHDRAWN,
            pb.WITHHOLD_REASON_OUT_OF_STOCK,
        )
        assert gone.alternative.offers[0].offer_id != offer
        assert gone.alternative.decision_id != answer.decision_id
        stored = live.server.dependencies.store.decision(gone.alternative.decision_id)
        assert stored is not None
        assert stored.request.channel == "till"
        other = pb.CheckOfferRequest(
            decision_id=answer.decision_id, offer_id="item:nothing", channel="till"
        )
        assert code(live, "CheckOffer", other) == grpc.StatusCode.INVALID_ARGUMENT
