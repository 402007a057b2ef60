"""Every metric of a server, declared once: its name, its unit, its labels and what it says.

Labels come from closed sets: methods of the contract, status and reason codes, flags, reasons for
withholding an offer, declared channels. No id is a label, but for that of the release that decides,
and that one only while it does.
"""

import threading
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, disable_created_metrics

from service.metrics.answers import AnswerMetrics
from service.metrics.calls import CallMetrics
from service.metrics.events import EventMetrics
from service.metrics.export import RELEASE
from service.metrics.tally import DurationHistogram, Tally

CALL_SECONDS = (
    *(0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
STAGE_SECONDS = (
    *(0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)

# When a series was made is of no use, and would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one server; `calls`, `answers` and `events` count on the path of a call.

    The others are set by who watches, at each refresh.
    """

    def __init__(self, channels: Iterable[str]) -> None:
        """`channels` are the declared ones."""
        self._registry = CollectorRegistry()
        self._tally = Tally()
        self._looks: list[Callable[[], None]] = []
        self._refreshing = threading.Lock()

        self.calls = CallMetrics(
            self._tally,
            self._counter(
                "throughline_calls_total",
                "Calls by how they ended; reason is that of a refusal's ErrorInfo.",
                "method",
                "code",
                "reason",
            ),
            self._histogram(
                "throughline_call_duration_seconds",
                "Time in the handler of a call: without transport and the wait for a thread.",
                "method",
                CALL_SECONDS,
            ),
            self._counter(
                "throughline_unknown_fields_total",
                "Requests with fields that this version's contract does not have; left out.",
                "method",
            ),
        )
        self.answers = AnswerMetrics(
            self._tally,
            channels,
            stages=self._histogram(
                "throughline_stage_duration_seconds",
                "Time in each stage of a decision, those of batches included.",
                "stage",
                STAGE_SECONDS,
            ),
            answers=self._counter(
                "throughline_answers_total",
                "Decisions answered: plain, or flagged with one thing or more.",
                "channel",
                "outcome",
            ),
            flags=self._counter(
                "throughline_answer_flags_total",
                "Flags on decisions answered; one decision may have several.",
                "channel",
                "flag",
            ),
            withheld=self._counter(
                "throughline_withheld_offers_total",
                "Offers that stood in a ranking and were not shown, by the reason told.",
                "reason",
            ),
            refused=self._counter(
                "throughline_refused_batch_requests_total",
                "Requests of a RecommendBatch that were refused while the call was answered.",
            ),
        )
        self.events = EventMetrics(
            self._tally,
            self._counter(
                "throughline_events_total",
                "Events by what became of each, and why if it was refused.",
                "outcome",
                "reason",
            ),
            self._counter(
                "throughline_unresolved_events_total",
                "Events accepted about what is not in the catalogue (yet).",
            ),
        )

        self.records = self._counter(
            "throughline_decision_records_total",
            "Decision records stored, spilled to a file while the store was away, or dropped.",
            "outcome",
        )
        self.records_queued = self._gauge(
            "throughline_decision_records_queued",
            "Decision records that wait to be stored.",
            "livesum",
        )
        self.store_errors = self._counter(
            "throughline_store_errors_total",
            "Requests to the database that failed: no_answer, refused, rubbish, or not_asked.",
            "kind",
        )
        self.breaker_openings = self._counter(
            "throughline_store_breaker_openings_total",
            "Times that the database stopped answering.",
        )
        self.catalogue_revision = self._gauge(
            "throughline_catalogue_revision",
            "Revision of the catalogue that decides; of several workers the one furthest behind.",
            "livemin",
        )
        self.catalogue_age = self._gauge(
            "throughline_catalogue_age_seconds",
            "Time since the catalogue was last seen to be the newest there is.",
            "livemax",
        )
        self.release = self._gauge(
            RELEASE,
            "The release that decides; the value is the number of workers it decides in.",
            "livesum",
            "release",
        )
        self.release_swaps = self._counter(
            "throughline_release_swaps_total", "Releases taken over, the first one included."
        )
        self.release_refusals = self._counter(
            "throughline_release_refusals_total", "Releases found unfit to be taken over."
        )
        self.workers = self._gauge("throughline_workers", "Processes that serve.", "livesum")
        self.worker_cpu = self._counter(
            "throughline_worker_cpu_seconds_total", "CPU time of all processes that serve."
        )
        self.worker_memory = self._gauge(
            "throughline_worker_resident_memory_bytes",
            "Resident memory of all processes that serve.",
            "livesum",
        )

    def on_refresh(self, callback: Callable[[], None]) -> None:
        """Have `look` called at each refresh."""
        self._looks.append(callback)

    def refresh(self) -> None:
        """Bring up to date what is exported."""
        with self._refreshing:
            for look in self._looks:
                look()
            self._tally.flush()

    def collect(self) -> Iterable[Metric]:
        """Return everything as of now."""
        self.refresh()
        return self._registry.collect()

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self._registry)

    def _gauge(self, name: str, says: str, of_workers: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self._registry, multiprocess_mode=of_workers)  # type: ignore[arg-type]

    def _histogram(
        self, name: str, says: str, label: str, bounds: Iterable[float]
    ) -> DurationHistogram:
        return DurationHistogram(
            name, says, (label,), registry=self._registry, buckets=tuple(bounds)
        )
