"""A signal comes out of `wait`, whichever thread the system gave it to."""

import subprocess
import sys

import pytest

from tests.support.waiting import PATIENCE

WAITING = """
import signal, threading, time
from service.server.process_signals import ProcessSignals

signals = ProcessSignals(signal.SIGTERM)
if {elsewhere}:
    other = threading.Thread(target=time.sleep, args=({seconds},), daemon=True)
    other.start()
    got_by = other.ident
else:
    got_by = threading.main_thread().ident
threading.Timer(0.2, signal.pthread_kill, (got_by, signal.SIGTERM)).start()
print(signals.wait({seconds}))
"""


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_signal_ends_the_wait(elsewhere: bool) -> None:
    """Given to the main thread or to another, a signal wakes who waits for it."""
    code = WAITING.format(elsewhere=elsewhere, seconds=10)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout.strip() == "15"
