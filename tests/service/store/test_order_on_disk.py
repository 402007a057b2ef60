"""The order of system calls: no reply leaves before what it acknowledges was synced.

That is what a power cut would test and a kill does not: what a killed process wrote is still in the
machine's memory, synced or not.
"""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from throughline.v1 import event_pb2

from service.client import Client
from tests.support.channels import channel_to
from tests.support.in_process import event
from tests.support.proof_table import Proof
from tests.support.server_processes import keyed_server
from tests.support.system_calls import SYNCS, TRACER, order_of, read_trace
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

LOG = "throughline.db-wal"


def require_strace(directory: Path) -> None:
    """Skip, loudly, where strace is missing or may not trace."""
    if shutil.which("strace") is None:
        pytest.skip("ORDER ON DISK NOT TESTED: strace is not installed (apt install it)")
    tried = subprocess.run(
        [*TRACER, str(directory / "tried"), "true"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if tried.returncode != 0 or "ptrace" in tried.stderr:
        pytest.skip(f"ORDER ON DISK NOT TESTED: strace may not trace here: {tried.stderr[:200]}")


def ended(trace: Path) -> Path:
    """Return the trace once strace has written that the server ended."""
    deadline = time.monotonic() + PATIENCE
    while not trace.read_bytes().endswith(b"+++ exited with 0 +++\n"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return trace


@pytest.mark.parametrize(
    "events", [pytest.param(10, id="small"), pytest.param(300, id="full", marks=pytest.mark.prove)]
)
def test_each_reply_follows_its_sync(tmp_path: Path, proof: Proof, events: int) -> None:
    """Between an event's arrival and its reply its page of the log is written, then synced."""
    require_strace(tmp_path)
    trace = tmp_path / "trace"
    service = keyed_server(tmp_path, f"sqlite:{tmp_path / 'data'}", under=(*TRACER, str(trace)))
    service.start()
    try:
        with channel_to(service.address) as channel:
            client = Client(channel, "the traced one", PATIENCE)
            for number in range(events):
                request = event_pb2.RecordEventsRequest(
                    events=[event(f"order-{number:06d}-on-disk", f"L{number % 7}")]
                )
                (result,) = client.events.RecordEvents(request, timeout=PATIENCE).results
                assert result.outcome.code == 0
        # Killed, it might leave the last reply half traced.
        service.stop()
    finally:
        service.kill()
    calls = read_trace(ended(trace))
    syncs = [call for call in calls if call.name in SYNCS and call.what.endswith(LOG)]
    between = []
    for number in range(events):
        order = order_of(calls, f"order-{number:06d}-on-disk".encode(), LOG)
        assert order.arrived < order.written < order.replied
        done = [call for call in syncs if order.written < call.began and call.ended < order.replied]
        assert done, f"the reply to event {number} left before its sync"
        between.append(len(done))
    proof(
        "A1",
        f"{events} single events under strace (SQLite): request and reply matched by the stream "
        "of their HTTP/2 frames, the log's page by the event id in it",
        f"{sum(count > 0 for count in between)} of {events} replies began after their fdatasync",
    )
