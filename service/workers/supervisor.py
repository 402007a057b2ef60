"""The parent of several workers: holds port and directory, starts, restarts and ends them.

It serves nothing itself and never imports gRPC, which does not survive a fork; a worker is a new
process that imports everything anew. So SIGHUP, which replaces one worker after another, brings a
new version of the code into service, and no call is lost: the next worker serves before the one in
its place begins to leave.
"""

import os
import secrets
import selectors
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import structlog

from models.errors import ThroughlineError
from service.config.clock import Clock
from service.config.environment import WORKER_METRICS_DIRECTORY
from service.config.settings import ConfigurationError, Settings
from service.metrics.export import forget_worker, serve_worker_metrics
from service.server.port import reserved_port
from service.server.preflight import check_settings, log_warnings, sole_server
from service.server.process_signals import ProcessSignals
from service.server.shared_by_workers import SharedByWorkers
from service.workers.assignment import encode_assignment
from service.workers.process import WorkerProcess

_log = structlog.get_logger(__name__)

FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0  # seconds before a worker that ended is started again
STEADY_SECONDS = 60.0  # who served as long begins again with the first wait
FIXED = (
    "listen",
    "metrics_listen",
    "store",
    "workers",
    "clock",
)  # settings that SIGHUP cannot change


def supervise(settings: Settings, reread_settings: Callable[[], Settings]) -> None:
    """Keep `settings.workers` workers serving until SIGTERM or SIGINT; then let them drain.

    `reread_settings` reads the settings anew, for SIGHUP. Raises `ConfigurationError`, and
    `SystemExit` with the exit code of a first worker that could not begin.
    """
    signals = ProcessSignals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    check_settings(settings)
    with (
        reserved_port(settings.listen) as port,
        _scratch() as figures,
        _exported(settings, Path(figures)),
        sole_server(settings),
        selectors.DefaultSelector() as selector,
    ):
        log_warnings(settings)
        environment = {
            **os.environ,
            WORKER_METRICS_DIRECTORY: figures,
            # Workers find ids in what they share by the hashes of one seed.
            "PYTHONHASHSEED": str(secrets.randbelow(2**32)),
        }
        shared = Path(figures) / "shared"
        shared.mkdir()
        _Supervisor(settings, reread_settings, signals, port, shared, environment, selector).run()
    _log.info("stopped")


def _scratch() -> "tempfile.TemporaryDirectory[str]":
    try:
        return tempfile.TemporaryDirectory(prefix="throughline-", ignore_cleanup_errors=True)
    except OSError:
        raise ConfigurationError("workers: no temporary directory; TMPDIR may name one") from None


def _exported(settings: Settings, figures: Path) -> AbstractContextManager[object]:
    if settings.metrics_listen is None:
        return nullcontext()
    return serve_worker_metrics(settings.metrics_listen, figures)


@dataclass
class _Place:
    """One of the workers to be kept: who is there, and when to start the next."""

    number: int
    worker: WorkerProcess | None = None
    due: float = float("inf")  # when there is nobody
    failures: int = 0

    def wait_longer(self) -> float:
        """Put the next start off, further after each failure; return the seconds."""
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0**self.failures)
        self.failures += 1
        self.due = time.monotonic() + wait
        return wait


class _Supervisor:
    def __init__(
        self,
        settings: Settings,
        reread_settings: Callable[[], Settings],
        signals: ProcessSignals,
        port: int,
        shared: Path,
        environment: dict[str, str],
        selector: selectors.BaseSelector,
    ) -> None:
        self._settings = settings
        self._reread_settings = reread_settings
        self._signals = signals
        self._port = port
        self._shared = shared
        self._environment = environment
        self._selector = selector
        self._clock_offset = Clock(settings.start_time).offset
        self._places = [_Place(number) for number in range(1, settings.workers + 1)]
        self._next: WorkerProcess | None = None  # to be in the place of one that serves
        self._to_replace: deque[_Place] = deque()
        self._replacing = False
        self._leaving: list[WorkerProcess] = []
        self._begun = False  # a worker has served
        self._announced = False
        self._stopping = False
        self._exit_code = os.EX_OK

    def run(self) -> None:
        """Start the workers and keep them until a signal has ended them all."""
        self._selector.register(self._signals.fileno(), selectors.EVENT_READ)
        # One alone at first: what is wrong with all of them is told once, and what the first
        # one makes (key, tables, compiled code) the others find.
        self._places[0].due = 0
        try:
            while not self._stopping or self._workers():
                self._start_due()
                self._replace_next()
                for key, _ in self._selector.select(self._patience()):
                    if key.data is None:
                        self._on_signal()
                    else:
                        self._on_message(key.data)
                for worker in self._workers():
                    if worker.kill_if_late():
                        _log.error("worker does not answer; killed", worker=worker.number)
        finally:
            for worker in self._workers():
                worker.kill()
        if self._exit_code:
            raise SystemExit(self._exit_code)

    def _workers(self) -> list[WorkerProcess]:
        serving = [place.worker for place in self._places if place.worker is not None]
        return [*serving, *([] if self._next is None else [self._next]), *self._leaving]

    def _patience(self) -> float | None:
        """Return for how long nothing needs to be done, in seconds; None: until a message."""
        times = [place.due for place in self._places if place.worker is None]
        times += [worker.next_look for worker in self._workers()]
        earliest = min(times)
        return None if earliest == float("inf") else max(0.0, earliest - time.monotonic())

    # What happens.

    def _on_signal(self) -> None:
        number = self._signals.wait(0)
        if number is signal.SIGHUP:
            self._begin_replacing()
        elif number is not None:
            if not self._stopping:
                _log.info("stopping", signal=number.name)
            self._stop()

    def _on_message(self, worker: WorkerProcess) -> None:
        if worker.receive():
            self._on_ready(worker)
        elif worker.ended:
            self._selector.unregister(worker)
            worker.close()
            forget_worker(Path(self._environment[WORKER_METRICS_DIRECTORY]), worker.pid)
            self._on_end(worker)

    def _on_ready(self, worker: WorkerProcess) -> None:
        if worker is self._next:
            self._next = None
            place = self._places[worker.number - 1]
            if place.worker is not None:
                self._let_go(place.worker)
            place.worker = worker
        if not self._begun:
            self._begun = True
            for place in self._places[1:]:
                place.due = 0
        if not self._announced and all(
            place.worker and place.worker.ready for place in self._places
        ):
            self._announced = True
            _log.info(
                "ready",
                listen=self._settings.listen,
                port=self._port,
                workers=len(self._places),
            )

    def _on_end(self, worker: WorkerProcess) -> None:
        if worker in self._leaving:
            self._leaving.remove(worker)
            _log.info("worker left", worker=worker.number, **worker.ending())
            return
        if worker is self._next:
            self._next = None
            self._give_up_replacing(worker=worker.number, **worker.ending())
            return
        place = self._places[worker.number - 1]
        place.worker = None
        if not self._begun:
            # It has told on stderr what is wrong, unless a signal ended it.
            if worker.exit_code < 0:
                _log.error("worker ended before it served", worker=1, **worker.ending())
            self._exit_code = worker.exit_code if worker.exit_code > 0 else os.EX_SOFTWARE
            self._stop()
            return
        if worker.served(STEADY_SECONDS):
            place.failures = 0
        _log.error(
            "worker ended", worker=worker.number, **worker.ending(), again_in=place.wait_longer()
        )

    # What is done.

    def _start_due(self) -> None:
        if self._stopping:
            return
        now = time.monotonic()
        for place in self._places:
            if place.worker is None and place.due <= now:
                place.worker = self._start(place.number)
                if place.worker is None:
                    place.wait_longer()

    def _begin_replacing(self) -> None:
        if self._stopping:
            return
        try:
            settings = self._reread_settings()
            check_settings(settings)
            for name in FIXED:
                if getattr(settings, name) != getattr(self._settings, name):
                    raise ConfigurationError(f"{name}: cannot be changed without a stop")
        except ThroughlineError as error:
            _log.error("settings refused; no worker is replaced", reason=str(error))
            return
        log_warnings(settings)
        self._settings = settings
        self._to_replace, self._replacing = deque(self._places), True
        _log.info("replacing every worker")

    def _replace_next(self) -> None:
        """One at a time: the next begins when the one before has left."""
        if self._stopping or not self._replacing or self._next is not None or self._leaving:
            return
        while self._to_replace:
            place = self._to_replace.popleft()
            # Where nobody is, the next one has the new settings anyway.
            if place.worker is not None:
                self._next = self._start(place.number)
                if self._next is None:
                    self._give_up_replacing(worker=place.number)
                return
        self._replacing = False
        _log.info("replaced every worker")

    def _give_up_replacing(self, **what: object) -> None:
        self._to_replace.clear()
        self._replacing = False
        _log.error("no new worker; the old ones stay", **what)

    def _start(self, number: int) -> WorkerProcess | None:
        """Start a worker; None when there can be no further process."""
        settings = self._settings
        deciding = any(worker.decides for worker in self._workers())
        assignment = encode_assignment(
            number,
            SharedByWorkers(self._port, self._clock_offset, deciding, str(self._shared)),
            settings,
        )
        leaving = settings.lame_duck_seconds + settings.drain_seconds
        try:
            worker = WorkerProcess(number, assignment, self._environment, leaving)
        except OSError as error:
            _log.error("worker cannot be started", worker=number, reason=error.strerror)
            return None
        self._selector.register(worker, selectors.EVENT_READ, worker)
        return worker

    def _let_go(self, worker: WorkerProcess) -> None:
        worker.stop()
        if worker not in self._leaving:
            self._leaving.append(worker)

    def _stop(self) -> None:
        self._stopping = True
        self._to_replace.clear()
        for worker in self._workers():
            self._let_go(worker)
        self._next = None
        for place in self._places:
            place.worker, place.due = None, float("inf")
