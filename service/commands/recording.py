"""Sends events to a running service in calls it accepts, and tells what became of each."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.progress import track
from throughline.v1.event_pb2 import (
    DURABILITY_RELAXED,
    Durability,
    Event,
    EventResult,
    RecordEventsRequest,
    RecordEventsResponse,
)

from models.domain.input.warnings import Warned
from service.client import Client
from service.commands.call_parts import ROWS, parts
from service.commands.terminal import error_console, output, print_json, table

KNOWN_WARNINGS = frozenset(map(int, Warned))
MAX_REFUSED_ROWS = 20  # refusals that are listed one by one


class SentEvents(NamedTuple):
    """One result for each event sent, in their order, and the weakest durability of the calls."""

    results: list[EventResult]
    durability: Durability.ValueType

    @property
    def refused(self) -> list[EventResult]:
        """Return the result of each event that was not stored."""
        return [result for result in self.results if result.outcome.code]


def send_events(client: Client, events: Sequence[Event]) -> SentEvents:
    """Send events in batches; raises `CallFailed` when a whole call fails.

    A repetition after a failure is safe: event ids make it idempotent.
    """
    answers = [
        client.call(client.events.RecordEvents, RecordEventsRequest(events=batch))
        for batch in track(
            list(parts(events)),
            "Recording",
            console=error_console(),
            disable=len(events) <= ROWS or not error_console().is_terminal,
            transient=True,
        )
    ]
    results = [result for answer in answers for result in answer.results]
    return SentEvents(results, max(answer.durability for answer in answers))


def report_events(recorded: SentEvents, as_json: bool, lines: Sequence[int] | None = None) -> None:
    """Print what became of the events; `lines` says on which of its file each stands."""
    results = recorded.results
    if as_json:
        print_json(RecordEventsResponse(results=results, durability=recorded.durability))
        return
    console = output()
    stored = len(results) - len(recorded.refused)
    again = sum(result.duplicate for result in results)
    unresolved = sum(result.unresolved for result in results)
    relaxed = recorded.durability == DURABILITY_RELAXED
    console.print(
        f"Recorded {stored:,} of {len(results):,}"
        + (f", {again:,} of them before already" if again else "")
        + (f", {unresolved:,} about what is not in the catalogue (yet)" if unresolved else "")
        + (" (RELAXED: the store writes to disk later)" if relaxed else "")
    )
    numbered = list(zip(lines or range(1, len(results) + 1), results, strict=True))
    told = [
        (str(row), Warned(warning).words)
        for row, result in numbered
        for warning in result.warnings
        if int(warning) in KNOWN_WARNINGS  # a later service may have others
    ]
    if told:
        warned = len({row for row, _ in told})
        shown = told[:MAX_REFUSED_ROWS]
        console.print(
            table(("row", "though it is stored"), shown, f"Warnings: {warned:,} of the events")
        )
    if recorded.refused:
        rows = [
            (str(row), str(result.outcome.code), result.outcome.detail)
            for row, result in numbered
            if result.outcome.code
        ][:MAX_REFUSED_ROWS]
        console.print(table(("row", "code", "why"), rows, f"Refused: {len(recorded.refused):,}"))
