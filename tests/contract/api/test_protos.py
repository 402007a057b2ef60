"""The contract: generated code is what the protos give, and nothing breaks callers."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

BUF = Path(sys.executable).with_name("buf")


def run(*command: str | Path) -> None:
    """Run a command in the project; a failure shows what it printed."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_code_is_what_the_protos_give() -> None:
    """The committed code under protos/ is byte for byte what the generator writes."""
    run(sys.executable, "protos/generate.py", "--check")


def test_protos_pass_lint() -> None:
    """Names follow buf STANDARD, and every message, field, enum and method has a comment."""
    run(BUF, "lint")


def test_protos_break_no_caller() -> None:
    """No field, number, name or type of the committed contract has changed or gone."""
    run(BUF, "breaking", "--against", "protos/contract.binpb")


def test_a_break_is_noticed(tmp_path: Path) -> None:
    """The check against the committed contract fails when a field changes its number."""
    target = tmp_path / "protos" / "throughline" / "v1"
    target.mkdir(parents=True)
    for proto in (ROOT / "protos" / "throughline" / "v1").glob("*.proto"):
        text = proto.read_text(encoding="utf-8")
        text = text.replace("string namespace = 1;", "string namespace = 9;")
        (target / proto.name).write_text(text, encoding="utf-8")
    (tmp_path / "buf.yaml").write_bytes((ROOT / "buf.yaml").read_bytes())
    done = subprocess.run(
        [BUF, "breaking", "--against", ROOT / "protos" / "contract.binpb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 100
    assert "namespace" in done.stdout


@pytest.mark.parametrize(
    "service", ["Recommendation", "Event", "Customer", "Offer", "Release", "Policy"]
)
def test_services_of_the_contract_are_there(service: str) -> None:
    """The six services of the design are in the generated package."""
    from google.protobuf import descriptor_pool
    from throughline.v1 import (  # noqa: F401
        customer_pb2,
        event_pb2,
        offer_pb2,
        policy_pb2,
        recommendation_pb2,
        release_pb2,
    )

    name = f"throughline.v1.{service}Service"
    assert descriptor_pool.Default().FindServiceByName(name).methods
