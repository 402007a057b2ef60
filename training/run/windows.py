"""The windows before the test: what trees learn from, and what opponents are chosen on."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from models.errors import BadDataset
from training.log.event_log import Log
from training.opponents.choice import Window
from training.ranking.second_stage import TrainingWindow
from training.run.config import TrainConfig
from training.splits.cases import Split
from training.splits.eval_cases import EvalCase, eval_cases_of
from training.splits.held_out import held_out, window_out


def eval_cases_in(log: Log, split: Split, mask: Sequence[str]) -> list[EvalCase]:
    """Return the cases of a split of `log`, each with what is known of its customer."""
    return eval_cases_of(log if split.window else split.training, split.cases, mask)


def earlier_windows(
    split: Split, targets: Sequence[str], mask: Sequence[str], config: TrainConfig
) -> list[TrainingWindow]:
    """Return the windows before the test, the latest first; none where nothing is before it."""
    windows = []
    for _ in range(config.windows):
        before = split.training
        split = window_out(before, tuple(targets), config.split, config.seed)
        if not split.cases:
            break
        windows.append(
            TrainingWindow(split.training, eval_cases_in(before, split, mask), split.window)
        )
    return windows


def window_before(
    dataset: Path,
    split: Split,
    earlier: Sequence[TrainingWindow],
    targets: tuple[str, ...],
    config: TrainConfig,
) -> Window | None:
    """Return the cases that opponents are chosen on: what was held out, held out once more.

    None where nothing is left to hold out.
    """
    if earlier:
        return Window(earlier[0].log, earlier[0].eval_cases)
    if split.window:
        return None
    protocol = config.split.protocol
    if protocol == "truth":
        timed = split.training.metadata.kind in ("timed", "mixed")
        protocol = "last" if timed else "kind"
    settings = msgspec.structs.replace(config.split, protocol=protocol)
    try:
        before = held_out(dataset, split.training, targets, settings, config.seed)
    except BadDataset:
        return None
    return Window(before.training, eval_cases_in(split.training, before, config.split.mask))
