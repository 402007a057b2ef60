"""Another release decides what was decided, beside the one in force, and only differences stay."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from models.domain.decisions import DecisionRecord
from models.policy.schema import AtMost, Policy
from models.release.registry import Registry
from service.cli import app
from service.decisions.shadow import LATE, Agreement, decisions_since
from service.store.store import Store
from tests.support.events import NOW, identifier, record
from tests.support.in_process import enter_release, event, running

Open = Callable[[str], Store]

SECOND = 1_000_000
WHO = (("a", "web"), ("b", "web"), ("a", "app"))


def test_agreement_is_counted() -> None:
    """Equal slates, equal first offers and shared offers are counted apart."""
    found = Agreement()
    found.add(("a", "b"), ("a", "b"))
    found.add(("a", "b"), ("a", "c"))
    found.add(("a", "b"), ("b",))
    found.add((), ())
    assert msgspec.structs.astuple(found) == (4, 2, 3, 1 + 1 / 2 + 1 / 2 + 1)


def test_each_decision_comes_once(store_url: str, opened: Open) -> None:
    """Following a store yields what is there, then what comes, each once, and late ones, too."""
    store, ann = opened(store_url), identifier(1)

    def decide(at: int) -> DecisionRecord:
        one = record(store.new_decision_id(ann, at), ann, at)
        store.commit(one)
        return one

    first = [decide(NOW + number * SECOND) for number in range(3)]
    later: list[DecisionRecord] = []
    rounds = iter((NOW + 4 * SECOND, NOW + 2 * SECOND, NOW + 4 * SECOND + 2 * LATE, None))

    def again() -> bool:
        at = next(rounds)
        if at is not None:
            later.append(decide(at))
        return at is not None

    assert [kept.record for kept in decisions_since(store, None, again)] == [*first, *later]
    only = decisions_since(store, NOW + 2 * SECOND, lambda: False)
    assert {kept.id for kept in only} == {one.id for one in (first[2], *later)}


@pytest.mark.machine
def test_only_differences_are_kept(tmp_path: Path) -> None:
    """The release in force agrees with itself; another, and another policy, differ and say how."""
    with running(tmp_path) as live:
        live.record(event("e1", "a", item_id="item3"))
        answers = [live.recommend(name, count=5, channel=where) for name, where in WHO]
        other = enter_release(live.registry.directory, seed=5)
    where = ["--store", f"sqlite:{tmp_path / 'data'}", "--registry", str(tmp_path / "registry")]
    run = CliRunner().invoke
    same = run(app, ["decisions", "shadow", *where, "--out", str(tmp_path / "same")])
    assert same.exit_code == 0, same.output
    assert same.stdout.count("100.0%") == 6
    assert (tmp_path / "same").read_text() == ""
    out = tmp_path / "differs"
    differs = run(app, ["decisions", "shadow", other[:12], *where, "--out", str(out)])
    assert differs.exit_code == 0, differs.output
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows
    slates = {one.decision_id: [offer.offer_id for offer in one.offers] for one in answers}
    for row in rows:
        assert row["live"] == slates[row["decision_id"]]
        assert row["shadow"] != row["live"]
    assert f"{other[:8]} under" in differs.stdout
    brands = Policy(diversity=(AtMost(feature="category", limit=1),))
    Registry(tmp_path / "registry").publish(brands, 2)
    ruled = run(app, ["decisions", "shadow", *where])
    assert ruled.exit_code == 0, ruled.output
    assert f"under {brands.digest[:8]}" in ruled.stdout
    assert ruled.stdout.count("100.0%") < 6
    unknown = run(app, ["decisions", "shadow", "--policy", "0" * 64, *where])
    assert unknown.exit_code != 0
