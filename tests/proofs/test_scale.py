"""The long proof of scale: a million undated events from file to release, on small means."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.proof_table import Proof

pytestmark = pytest.mark.machine

TABLES = ROOT.parent / "shared" / "data"
MINUTES, GIBIBYTES = 15, 6


@pytest.mark.prove
@pytest.mark.data
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not TABLES.is_dir(), reason=f"the public research tables are not in {TABLES}")
def test_a_million_events_from_file_to_release(tmp_path: Path, proof: Proof) -> None:
    """Import and training of 1.16 million events take at most 15 minutes and 6 GiB."""
    started = time.monotonic()
    mapping = ROOT / "examples" / "taobao" / "mapping.toml"
    steps = (
        ("import", str(mapping), "--source-dir", str(TABLES), "--out", str(tmp_path / "data")),
        ("train", str(tmp_path / "data"), "--registry", str(tmp_path / "registry")),
    )
    peak = 0.0
    for step in steps:
        child = subprocess.Popen([sys.executable, "-P", "-m", "service.cli", *step])
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        peak = max(peak, usage.ru_maxrss / 1024**2)
    minutes = (time.monotonic() - started) / 60
    assert minutes <= MINUTES
    assert peak <= GIBIBYTES
    proof(
        "scale",
        "1.16 million events imported, trained on and evaluated",
        f"{minutes:.1f} min, {peak:.2f} GiB",
    )
