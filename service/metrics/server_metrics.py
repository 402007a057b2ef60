"""The metrics of one server: counted on the path of a call, or looked at when they are exported."""

import threading
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Metric

from service.metrics.answers import AnswerMetrics
from service.metrics.calls import CallMetrics
from service.metrics.declared import Exported
from service.metrics.events import EventMetrics
from service.metrics.tally import Tally


class Metrics:
    """The metrics of one server; `calls`, `answers` and `events` count on the path of a call.

    The other `exported` ones are set by callbacks, at each refresh.
    """

    def __init__(self, channels: Iterable[str]) -> None:
        """`channels` are the declared ones."""
        self._registry = CollectorRegistry()
        self._tally = Tally()
        self._callbacks: list[Callable[[], None]] = []
        self._refreshing = threading.Lock()
        self.exported = Exported(self._registry)
        self.calls = CallMetrics(self._tally, self.exported)
        self.answers = AnswerMetrics(self._tally, self.exported, channels)
        self.events = EventMetrics(self._tally, self.exported)

    def on_refresh(self, callback: Callable[[], None]) -> None:
        """Have `callback` called at each refresh."""
        self._callbacks.append(callback)

    def refresh(self) -> None:
        """Bring up to date what is exported."""
        with self._refreshing:
            for callback in self._callbacks:
                callback()
            self._tally.flush()

    def collect(self) -> Iterable[Metric]:
        """Return everything as of now."""
        self.refresh()
        return self._registry.collect()
