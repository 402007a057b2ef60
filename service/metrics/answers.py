"""Counts decisions: the time that each stage took, their flags, what was withheld and why."""

from collections.abc import Iterable
from typing import NamedTuple

from models.domain.decisions import Decision, Flag
from models.domain.reasons import Reason
from service.metrics.declared import (
    ANSWER_FLAGS,
    ANSWERS,
    REFUSED_BATCH_REQUESTS,
    STAGE_DURATION,
    WITHHELD_OFFERS,
    Exported,
)
from service.metrics.stage_timer import STAGES, StageTimer
from service.metrics.tally import Count, Tally

PLAIN, FLAGGED = "plain", "flagged"
OTHER = "other"  # a channel that is not declared, which no request can name


class _OfChannel(NamedTuple):
    plain: Count
    flagged: Count
    flags: dict[int, Count]


class AnswerMetrics:
    """Counts the decisions of a server."""

    def __init__(self, tally: Tally, exported: Exported, channels: Iterable[str]) -> None:
        """`channels` are the declared ones."""
        answers, flags = exported[ANSWERS], exported[ANSWER_FLAGS]
        stages, withheld = exported[STAGE_DURATION], exported[WITHHELD_OFFERS]
        self._lock = tally.lock
        self._stages = {stage: tally.durations(stages.labels(stage)) for stage in STAGES}
        self._channels = {
            channel: _OfChannel(
                tally.count(answers.labels(channel, PLAIN)),
                tally.count(answers.labels(channel, FLAGGED)),
                {flag: tally.count(flags.labels(channel, flag.name.lower())) for flag in Flag},
            )
            for channel in sorted({*channels, OTHER})
        }
        self._refused = tally.count(exported[REFUSED_BATCH_REQUESTS])
        self._withheld = {
            reason: tally.count(withheld.labels(reason.name.lower())) for reason in Reason
        }

    def count_refusal(self) -> None:
        """Count a request of a batch that was refused, while the call is answered."""
        with self._lock:
            self._refused.number += 1

    def add(self, channel: str, decision: Decision, timer: StageTimer) -> None:
        """Count a decision that is about to be answered."""
        counts = self._channels.get(channel) or self._channels[OTHER]
        stages, withheld = self._stages, self._withheld
        with self._lock:
            for stage, nanoseconds in timer.nanoseconds.items():
                stages[stage].add(nanoseconds)
            if decision.flags:
                counts.flagged.number += 1
                for flag in decision.flags:
                    counts.flags[flag].number += 1
            else:
                counts.plain.number += 1
            for offer in decision.withheld:
                withheld[offer.reason].number += 1
