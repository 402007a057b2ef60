"""A thread that does one thing again and again: how a process notices what others changed."""

import secrets
import threading
from collections.abc import Callable

import structlog

from models.errors import ThroughlineError
from service.config.logs import log_fault

_log = structlog.get_logger(__name__)


class Poller:
    """Calls `action` every `interval` seconds; a failure is logged and does not end it."""

    def __init__(self, name: str, interval: float, action: Callable[[], None]) -> None:
        self._action = action
        self._interval = interval
        self._stopped = threading.Event()
        self._failing = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait until it has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self._action()
            except ThroughlineError as error:
                self._failed(str(error))
            except Exception as error:
                if self._failing != type(error).__name__:
                    log_fault(error, secrets.token_hex(8), self._thread.name)
                self._failing = type(error).__name__
            else:
                if self._failing:
                    _log.info("works again", what=self._thread.name)
                self._failing = ""

    def _failed(self, reason: str) -> None:
        # An outage of an hour is one line, not eighteen thousand.
        if self._failing != reason:
            _log.warning("failing", what=self._thread.name, reason=reason)
        self._failing = reason
