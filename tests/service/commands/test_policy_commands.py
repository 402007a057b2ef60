"""The commands about policies, on a registry's directory and on a running service: the same."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs
from throughline.v1.policy_pb2 import PublishPolicyRequest
from throughline.v1.recommendation_pb2 import ExplainDecisionRequest

from models.policy.schema import BUILT_IN, Holdout, Policy
from service import cli
from tests.support.datasets import retailer, write_dataset
from tests.support.in_process import Running, running
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

Run = Callable[..., tuple[int, str, str]]
ONE, TWO = (Policy(holdout=Holdout(share=share)) for share in (0.1, 0.2))


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Running]:
    """A server of each test alone, whose log does not mix with what commands print."""
    with capture_logs(), running(tmp_path) as started:
        yield started


@pytest.fixture(params=["directory", "server"])
def policy(
    request: pytest.FixtureRequest,
    live: Running,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Run a command about policies; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.toml").write_text("[holdout]\nshare = 0.1\n")
    (tmp_path / "two.toml").write_text("[holdout]\nshare = 0.2\n")
    (tmp_path / "bad.toml").write_text("[holdout]\nshare = 2\n[candidates]\nitems = 0\n")
    (tmp_path / "empty.toml").write_text("")
    where = {
        "directory": ["--registry", "registry"],
        "server": ["--server", f"127.0.0.1:{live.server.port}"],
    }[request.param]

    def run(*arguments: str) -> tuple[int, str, str]:
        # A check looks at no registry: without a server it needs neither.
        on = [] if arguments[0] == "check" and request.param == "directory" else where
        monkeypatch.setattr(sys, "argv", ["throughline", "policy", *arguments, *on])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def test_a_policy_goes_into_force_and_back(policy: Run, live: Running) -> None:
    """Each change prints both halves, aligned, with what was before, at 80 columns."""
    release = live.server.dependencies.active_release.release_id[:12]
    none, one, two = (which.digest[:12] for which in (BUILT_IN, ONE, TWO))
    same = f"Release: {release} (unchanged)\n"
    assert policy("publish", "one.toml") == (0, f"{same}Policy:  {one} (before: {none})\n", "")
    assert policy("publish", "one.toml") == (0, f"{same}Policy:  {one} (unchanged)\n", "")
    assert policy("publish", "two.toml") == (0, f"{same}Policy:  {two} (before: {one})\n", "")
    assert policy("rollback") == (0, f"{same}Policy:  {one} (before: {two})\n", "")
    assert live.registry.pointer().policy == ONE.digest
    assert policy("publish", "empty.toml") == (0, f"{same}Policy:  {none} (before: {one})\n", "")
    for _ in range(2):
        assert policy("rollback")[0] == 0
    code, out, said = policy("rollback")
    assert (code, out) == (1, "")
    assert "policy: no previous policy" in said


def test_mistakes_are_told_by_line(policy: Run, live: Running) -> None:
    """Everything that is wrong is told by file and line, and nothing is published."""
    said = "bad.toml:2: holdout.share: want 0 to 0.5\n"
    for command in ("check", "publish"):
        code, out, err = policy(command, "bad.toml")
        assert (code, out) == (os.EX_DATAERR, "")
        assert err.startswith(said)
        assert err.count("\n") == 2
    assert policy("check", "one.toml")[1] == f"one.toml: nothing wrong\nDigest: {ONE.digest}\n"
    assert live.registry.pointer().policy == BUILT_IN.digest


def test_policies_are_shown_and_listed(policy: Run) -> None:
    """A policy is shown by digest or prefix, or the one in force; tables fit into 80 columns."""
    assert "none was published" in policy("history")[1]
    for file in ("one.toml", "two.toml"):
        policy("publish", file)
    _, out, said = policy("show")
    assert '"share": 0.2' in out
    assert said.startswith(f"digest: {TWO.digest}\nin force since: ")
    _, out, said = policy("show", ONE.digest[:8])
    assert '"share": 0.1' in out
    assert said == f"digest: {ONE.digest}\n"
    for command in ("history", "list"):
        _, out, _ = policy(command)
        rows = [line for line in out.splitlines() if line.strip()][2:]
        assert ["in force" in row for row in rows] == [True, False, False]
        digests = [which.digest[:12] for which in (TWO, ONE, BUILT_IN)]
        assert [row.replace("in force", "").split()[0] for row in rows] == digests
        assert max(map(len, rows)) <= 80
        assert f'"{TWO.digest}"' in policy(command, "--json")[1]
    code, _, said = policy("show", "0" * 64)
    assert code != 0
    assert "digest: not" in said


COUNTED = """
[[eligibility]]
name = "right"
about = { features = { CATEGORY } }
bar = true
[[eligibility]]
name = "slip"
about = { offers = ["item:OTHER"] }
bar = true
[[levers]]
name = "over"
owner = "o"
factor = 2
about = { classes = ["marketing"] }
until = 2001-01-01T00:00:00Z
"""


def test_a_check_counts_what_each_rule_is_about(
    policy: Run, live: Running, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Over a dataset and over a server alike: offers of how many, and what leads nowhere."""
    here = "directory" in request.node.name
    over = ["--dataset", "shop"] if here else []
    category, there, all_, some = 'brand = ["b"]', "i1", 18, 17
    if not here:
        category, there, all_, some = 'category = ["a"]', "item1", 44, 21
    write_dataset(tmp_path / "shop", retailer(1, 1))
    text = COUNTED.replace("CATEGORY", category).replace("OTHER", f"{there}x")
    (tmp_path / "counted.toml").write_text(text)
    code, out, err = policy("check", "counted.toml", *over)
    assert code == 0
    assert out.startswith("counted.toml: nothing wrong, 2 to look at\nDigest: ")
    assert f"Of {all_} offers" in out
    lines = [line.split() for line in out.splitlines()]
    rows = [line for line in lines if line and line[0].startswith(("elig", "lev"))]
    assert rows == [
        ["eligibility[0]", "right", str(some), f"{some / all_:.1%}"],
        ["eligibility[1]", "slip", "0", "0.0%"],
        ["levers[0]", "over", str(all_), "100.0%"],
    ]
    slip, over_since = err.splitlines()
    front = f"counted.toml: eligibility[1] (slip): about.offers: no offer 'item:{there}x'; did you"
    assert slip.startswith(front)
    assert over_since.startswith("counted.toml: levers[0] (over): until: over since 2001-01-01")
    assert policy("check", "counted.toml", "--strict", *over)[0] == os.EX_DATAERR
    answer = json.loads(policy("check", "counted.toml", "--json", *over)[1])
    assert [part.get("offers", 0) for part in answer["parts"]] == [some, 0, all_]
    assert policy("check", "one.toml", "--strict", *over)[0] == 0


def test_a_dataset_tells_of_attributes_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A segment that no customer of it is in is told; where there is no dataset, that is told."""
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "data", retailer(3, 1))
    (tmp_path / "p.toml").write_text(
        '[[eligibility]]\nname = "e"\n'
        'when = [{ kind = "attribute", name = "segment", one_of = ["s1", "z99"] }]\n'
    )

    def check(dataset: str) -> tuple[int, str]:
        arguments = ["throughline", "policy", "check", "p.toml", "--dataset", dataset]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    assert check("data") == (0, "p.toml: eligibility[0] (e): when: segment: no customer of 'z99'\n")
    assert check("nowhere") == (os.EX_NOINPUT, "throughline: nowhere: not found\n")


def test_an_explanation_that_is_too_late_names_what_changed(live: Running) -> None:
    """After a publication it is the policy that a decision was made by, not its release."""
    decision = live.recommend("L1").decision_id
    request = ExplainDecisionRequest(decision_id=decision, offer_id="item:item1")
    live.client.recommendations.ExplainDecision(request, timeout=PATIENCE)
    toml = PublishPolicyRequest(toml="[holdout]\nshare = 0.3\n")
    live.client.policies.PublishPolicy(toml, timeout=PATIENCE)
    with pytest.raises(grpc.RpcError, match=f"made by policy {BUILT_IN.digest[:8]}, no longer in"):
        live.client.recommendations.ExplainDecision(request, timeout=PATIENCE)
