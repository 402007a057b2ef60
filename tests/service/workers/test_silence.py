"""A worker that hangs is told from one that gets no processor, and is replaced."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.workers.silence import STEP_SECONDS, SUSPICIOUS_SECONDS, Silence
from tests.support.channels import clients
from tests.support.in_process import recommend_request
from tests.support.server_processes import prepared, served
from tests.support.waiting import PATIENCE, eventually

WITHIN = 10.0  # seconds from the stop of a worker until the next one in its place serves


@contextmanager
def python(program: str, core: int | None = None) -> Iterator[int]:
    """Yield the id of a process that runs a program, on one core or anywhere."""
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        if core is not None:
            os.sched_setaffinity(process.pid, [core])
        try:
            yield process.pid
        finally:
            process.kill()


def silent_for(pid: int, looks: int) -> float:
    """Return what is counted of a process that says nothing during some looks."""
    silence = Silence(pid)
    for _ in range(looks):
        time.sleep(STEP_SECONDS / 2)
        counted = silence.seconds()
    return counted


@pytest.mark.machine
def test_only_time_in_which_it_could_speak_counts() -> None:
    """A process that sleeps or is stopped is silent all the time, a starved one hardly."""
    looks = 12
    passed = looks * STEP_SECONDS / 2
    core = min(os.sched_getaffinity(0))
    with python("import time; time.sleep(600)") as pid:
        assert silent_for(pid, looks) >= 0.8 * passed
        os.kill(pid, signal.SIGSTOP)
        assert silent_for(pid, looks) >= 0.8 * passed
    busy = "while True: pass"
    with python(busy, core) as starved, python(busy, core) as first, python(busy, core) as second:
        os.setpriority(os.PRIO_PROCESS, starved, 19)
        assert len({starved, first, second}) == 3
        unexcused = SUSPICIOUS_SECONDS + STEP_SECONDS
        assert silent_for(starved, looks) < unexcused + 0.5 * (passed - unexcused)


def test_a_silence_that_is_broken_counts_from_nothing() -> None:
    """What was counted before the process spoke is forgotten, and so is our own absence."""
    silence = Silence(os.getpid())
    time.sleep(0.3)
    assert silence.seconds() >= 0.3
    silence.broken()
    assert silence.seconds() < 0.2
    silence._looked -= 3_600  # as if nobody had run for an hour
    assert silence.seconds() < 2 * STEP_SECONDS


@pytest.mark.machine
def test_a_stopped_worker_is_replaced(tmp_path: Path) -> None:
    """A worker that is stopped is killed, and the next one in its place serves, within 10 s.

    On a machine where a start alone takes longer than half of that, it may take as much longer.
    """
    prepared(tmp_path)
    begun = time.monotonic()
    with served(tmp_path, workers=2) as live:
        start = (time.monotonic() - begun) / 2  # one after the other
        stopped, other = live.workers()
        os.kill(stopped, signal.SIGSTOP)
        since = time.monotonic()
        assert eventually(lambda: live.said("worker does not answer; killed"))
        killed = time.monotonic() - since
        assert eventually(lambda: len(live.said("worker ready")) == 3)
        took = time.monotonic() - since
        workers = live.workers()
        assert stopped not in workers
        assert other in workers
        with clients(live.address, 8) as opened:
            for client in opened:
                asked = recommend_request("L1")
                assert client.recommendations.Recommend(asked, timeout=PATIENCE).decision_id
        assert live.stop() == 0
    assert len(live.said("worker does not answer; killed")) == 1
    assert killed <= WITHIN - 3, killed
    assert took <= max(WITHIN, killed + 2 * start), (took, killed, start)
    print(f"a stopped worker: killed after {killed:.1f} s, replaced after {took:.1f} s")


@pytest.mark.machine
def test_a_worker_that_leaves_by_itself_is_not_hurried(tmp_path: Path) -> None:
    """A worker that somebody else told to end has the time that a stop allows it."""
    prepared(tmp_path)
    (tmp_path / "settings.toml").write_text("lame_duck_seconds = 9.0\n")
    with served(tmp_path, "--config", "settings.toml", workers=2) as live:
        os.kill(live.workers()[0], signal.SIGTERM)
        assert eventually(lambda: live.said("worker ended"))
        (ended,) = live.said("worker ended")
        assert ended["exit_code"] == 0
        assert not live.said("worker does not answer; killed")
