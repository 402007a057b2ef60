"""Every metric of a server, declared once: its name, what it says and its labels.

A new one is one declaration here; whoever counts it takes it from `Exported` by that declaration.
It is exported, by one process or for all workers together, whether anything was counted or not.

Labels come from closed sets: methods of the contract, status and reason codes, flags, reasons for
withholding an offer, declared channels. No id is a label, but for those of the release and policy
that decide and that are in force, and those only while they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics

from service.metrics.tally import DurationHistogram

M = TypeVar("M")

# When a series was made is of no use, and would double their number.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Declaration(Generic[M]):
    """A metric by its name; `make` makes it in a registry, which exports it."""

    name: str
    make: Callable[[CollectorRegistry], M]


DECLARED: list[Declaration[Any]] = []


class Exported:
    """All declared metrics, made in one registry; each is found by its declaration."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._made = {declared.name: declared.make(registry) for declared in DECLARED}

    def __getitem__(self, declared: Declaration[M]) -> M:
        return cast(M, self._made[declared.name])


def counter(name: str, says: str, *labels: str) -> Declaration[Counter]:
    """Declare a number that only grows; of several workers the sum is exported."""
    return _declare(name, lambda registry: Counter(name, says, labels, registry=registry))


def gauge(name: str, says: str, of_workers: str, *labels: str) -> Declaration[Gauge]:
    """Declare a number as of now; `of_workers`: which of several workers' is exported.

    `livesum`, `livemin` or `livemax` over those that are alive.
    """
    mode: Any = of_workers
    return _declare(
        name, lambda registry: Gauge(name, says, labels, registry=registry, multiprocess_mode=mode)
    )


def histogram(
    name: str, says: str, label: str, bounds: tuple[float, ...]
) -> Declaration[DurationHistogram]:
    """Declare durations, counted in buckets whose upper `bounds` are in seconds."""
    return _declare(
        name,
        lambda registry: DurationHistogram(name, says, (label,), registry=registry, buckets=bounds),
    )


def _declare(name: str, make: Callable[[CollectorRegistry], M]) -> Declaration[M]:
    declared = Declaration(name, make)
    DECLARED.append(declared)
    return declared


CALL_SECONDS = (
    *(0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
)
STAGE_SECONDS = (
    *(0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)

CALLS = counter(
    "throughline_calls_total",
    "Calls by how they ended; reason is that of a refusal's ErrorInfo.",
    *("method", "code", "reason"),
)
CALL_DURATION = histogram(
    "throughline_call_duration_seconds",
    "Time in the handler of a call: without transport and the wait for a thread.",
    "method",
    CALL_SECONDS,
)
UNKNOWN_FIELDS = counter(
    "throughline_unknown_fields_total",
    "Requests with fields that this version's contract does not have; left out.",
    "method",
)
STAGE_DURATION = histogram(
    "throughline_stage_duration_seconds",
    "Time in each stage of a decision, those of batches included.",
    "stage",
    STAGE_SECONDS,
)
ANSWERS = counter(
    "throughline_answers_total",
    "Decisions answered: plain, or flagged with one thing or more.",
    *("channel", "outcome"),
)
ANSWER_FLAGS = counter(
    "throughline_answer_flags_total",
    "Flags on decisions answered; one decision may have several.",
    *("channel", "flag"),
)
WITHHELD_OFFERS = counter(
    "throughline_withheld_offers_total",
    "Offers that stood in a ranking and were not shown, by the reason told.",
    "reason",
)
REFUSED_BATCH_REQUESTS = counter(
    "throughline_refused_batch_requests_total",
    "Requests of a RecommendBatch that were refused while the call was answered.",
)
EVENTS = counter(
    "throughline_events_total",
    "Events by what became of each, and why if it was refused.",
    *("outcome", "reason"),
)
UNRESOLVED_EVENTS = counter(
    "throughline_unresolved_events_total",
    "Events accepted about what is not in the catalogue (yet).",
)
EVENT_WARNINGS = counter(
    "throughline_event_warnings_total",
    "Events accepted that count for nothing, or for less, by what was said of it.",
    "warning",
)
DECISION_RECORDS = counter(
    "throughline_decision_records_total",
    "Decision records stored, spilled to a file while the store was away, or dropped.",
    "outcome",
)
RECORDS_QUEUED = gauge(
    "throughline_decision_records_queued", "Decision records that wait to be stored.", "livesum"
)
STORE_ERRORS = counter(
    "throughline_store_errors_total",
    "Requests to the database that failed: no_answer, refused, rubbish, or not_asked.",
    "kind",
)
BREAKER_OPENINGS = counter(
    "throughline_store_breaker_openings_total", "Times that the database stopped answering."
)
WRITES_REFUSED = gauge(
    "throughline_store_refuses_writes",
    "1 while the database refuses writes: answers reserve nothing.",
    "livemax",
)
STORE_SERVED = gauge(
    "throughline_store_is_served",
    "1 while the database holds the store that was opened; 0: none, or another.",
    "livemin",
)
STORE_EPOCH = gauge(
    "throughline_store_epoch",
    "How often the store was found older than it was, by a failover or a restore.",
    "livemax",
)
STORE_OLDER = gauge(
    "throughline_store_is_older",
    "1 until the last of these times is accepted: every answer is flagged.",
    "livemax",
)
STORE_REWINDS = counter(
    "throughline_store_rewinds_total",
    "Times that this server found the store older than it was.",
)
CATALOGUE_REVISION = gauge(
    "throughline_catalogue_revision",
    "Revision of the catalogue that decides; of several workers the one furthest behind.",
    "livemin",
)
CATALOGUE_AGE = gauge(
    "throughline_catalogue_age_seconds",
    "Time since the catalogue was last seen to be the newest there is.",
    "livemax",
)
RELEASE = gauge(
    "throughline_release_info",
    "What decides, and what is in force; the value is the number of workers.",
    "livesum",
    *("release", "policy", "release_in_force", "policy_in_force"),
)
FALLBACK = gauge(
    "throughline_fallback_workers",
    "Workers that decide by another release or policy than the one in force, which they refused.",
    "livesum",
    "what",
)
RELEASE_SWAPS = counter(
    "throughline_release_swaps_total", "Releases taken over, the first one included."
)
RELEASE_REFUSALS = counter(
    "throughline_release_refusals_total", "Releases found unfit to be taken over."
)
POLICY_SWAPS = counter("throughline_policy_swaps_total", "Policies taken over from another one.")
POLICY_REFUSALS = counter(
    "throughline_policy_refusals_total", "Policies that could not be read or decided by."
)
WORKERS = gauge("throughline_workers", "Processes that serve.", "livesum")
WORKER_CPU = counter(
    "throughline_worker_cpu_seconds_total", "CPU time of all processes that serve."
)
WORKER_MEMORY = gauge(
    "throughline_worker_resident_memory_bytes",
    "Resident memory of all processes that serve.",
    "livesum",
)
