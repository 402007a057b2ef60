"""Amounts in a running service: exact, in one currency, and told where there is none."""

import json
import sys
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from throughline.v1 import common_pb2, offer_pb2
from typer.testing import CliRunner

from models.domain.catalogue import Catalogue, Item, Money
from models.domain.identifiers import key_fingerprint
from models.domain.selectors import OfferHas
from models.policy.schema import Currencies, Eligibility, Policy
from service import cli
from service.dataset.export import export_log
from service.dataset.load import load_dataset
from service.store.opening import open_store
from tests.support.in_process import Running, enter_release, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine

LARGE = common_pb2.Money(currency="EUR", units=999_999_999_999, nanos=990_000_000)
KEY = bytes(range(32))
WARNING = "amounts unknown: several currencies, and the policy states none"
BOUNDED = '[[eligibility]]\nname = "dear"\n[[eligibility.when]]\nkind = "offer"\n'


def publish(live: Running, policy: Policy) -> None:
    """Publish a policy as another process would, and wait until it decides."""
    live.registry.publish(policy, 2)
    assert eventually(lambda: live.server.dependencies.active_release.snapshot.policy == policy)


def test_large_amounts_keep_their_cents_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """EUR 999999999999.99 is that in a file, over gRPC, under a bound, exported and loaded."""
    price = {"currency": "EUR", "units": "999999999999", "nanos": 990_000_000}
    file = tmp_path / "items.jsonl"
    file.write_text(json.dumps({"item_id": "big", "price": price}) + "\n", encoding="utf-8")
    with capture_logs(), running(tmp_path, rows=[Item(id="item1", price=Money("EUR", 1))]) as live:
        server = f"127.0.0.1:{live.server.port}"
        for command in (["upsert", str(file)], ["get", "big", "--json"]):
            monkeypatch.setattr(sys, "argv", ["throughline", "items", *command, "--server", server])
            with pytest.raises(SystemExit):
                cli.main()
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["price"] == price
        got = live.client.offers.GetItem(offer_pb2.GetItemRequest(item_id="big")).item
        assert got.price == LARGE
        for bound, held in ((999999999999.99, True), (999999999999.991, False)):
            dear = Eligibility(name="dear", when=(OfferHas(price_at_least=bound),))
            publish(live, Policy(eligibility=(dear,)))
            answer = live.recommend("x", include=["item:big"])
            assert [offer.price for offer in answer.offers] == [LARGE] * held
        export_log(live.server.dependencies.store, tmp_path / "out", None, key_fingerprint(KEY))
    with closing(open_store(f"sqlite:{tmp_path}/other", key=KEY)) as other:
        load_dataset(tmp_path / "out", other, KEY, 1)
        loaded = Catalogue().apply(*other.catalogue_changes(0)).items["big"]
    assert loaded.price == Money("EUR", 999_999_999_999, 990_000_000)


def test_a_mixed_catalogue_is_told_once(tmp_path: Path) -> None:
    """Under a policy without a currency a warning says once that amounts are unknown."""
    rows = [Item(id="item1", price=Money("EUR", 1))]
    with capture_logs() as logs, running(tmp_path, rows=rows) as live:
        assert [one for one in logs if one["event"] == WARNING] == []
        yen = offer_pb2.Item(item_id="item2", price=common_pb2.Money(currency="JPY", units=1))
        for title in ("a", "b"):
            yen.title = title
            live.client.offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=[yen]))
        (told,) = (one for one in logs if one["event"] == WARNING)
        assert told["currencies"] == ["EUR", "JPY"]
        publish(live, Policy(money=Currencies(currency="EUR")))
        live.client.offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=[yen]))
        assert len([one for one in logs if one["event"] == WARNING]) == 1


@pytest.mark.parametrize("command", ["check", "publish"])
def test_a_policy_without_a_currency_is_remarked(tmp_path: Path, command: str) -> None:
    """Check and publish remark on bounds without a currency, which are no error."""
    registry = tmp_path / "registry"
    release = enter_release(registry)
    file = tmp_path / "policy.toml"
    where = ["--registry", str(registry)] if command == "publish" else []
    CliRunner().invoke(cli.app, ["releases", "promote", release, "--registry", str(registry)])
    for bound, told in (("price_at_least = 5", True), ("margin_at_least = 0.1", False)):
        file.write_text(BOUNDED + bound, encoding="utf-8")
        done = CliRunner().invoke(cli.app, ["policy", command, str(file), *where])
        assert done.exit_code == 0, done.output
        assert ("dear bound prices or values" in done.output) is told
