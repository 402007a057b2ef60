"""The report of a full model: what `train --config` prints, and every figure as plain data."""

from collections.abc import Sequence

from rich.table import Table

from training.full import MODEL, Full
from training.slices import ALL, Measured
from training.terminal import table

SHOWN = ("recall@10", "ndcg@10", "hr@3", "mrr@3")
LED = ("recall@10", "ndcg@10")


def full_tables(full: Full) -> list[Table]:
    """Return for each intent: all rankers over all cases, the model by slice, and its sources."""
    tables = []
    for intent, measured in full.measured.items():
        whole = [found for found in measured if found.slice == ALL]
        parts = [found for found in measured if found.slice != ALL and found.ranker == MODEL]
        error, top = full.stage.intents[intent].error
        tables.append(
            table(
                f"Intent {intent}: {whole[0].n:,} cases [95 % interval]; calibration error "
                f"{error:.5f}, in the top 1 % {top:.5f}",
                ("ranker",),
                (*SHOWN, *(f"the model leads, {name}" for name in LED)),
                [(found.ranker, *_cells(found), *_leads(found)) for found in whole],
            )
        )
        tables.append(
            table(
                f"Intent {intent}, the model by slice",
                ("slice",),
                ("cases", *SHOWN),
                [(found.slice, f"{found.n:,}", *_cells(found)) for found in parts],
            )
        )
        tables.append(
            table(
                f"Intent {intent}, recall by source",
                ("source",),
                ("recall", "lost without it", "candidates"),
                [
                    (name, f"{found:.3f}", f"{lost:.4f}", f"{size:.1f}")
                    for name, found, lost, size in full.sources[intent]
                ],
            )
        )
    return tables


def full_figures(full: Full) -> dict[str, object]:
    """Return every figure as plain data; it names no customer."""
    return {
        intent: {
            "calibration_error": list(full.stage.intents[intent].error),
            "sources": [list(row) for row in full.sources[intent]],
            "measured": [_plain(found) for found in measured],
        }
        for intent, measured in full.measured.items()
    }


def _plain(found: Measured) -> dict[str, object]:
    return {
        "ranker": found.ranker,
        "slice": found.slice,
        "n": found.n,
        "metrics": {name: value._asdict() for name, value in found.metrics.items()},
        "behind_the_model": {name: value._asdict() for name, value in found.ahead.items()},
    }


def _cells(found: Measured) -> Sequence[str]:
    return [
        f"{value:.4f} [{low:.4f}, {high:.4f}]"
        for value, low, high in (found.metrics[name] for name in SHOWN)
    ]


def _leads(found: Measured) -> Sequence[str]:
    if not found.ahead:
        return [""] * len(LED)
    return [
        f"{value:+.4f} [{low:+.4f}, {high:+.4f}]"
        for value, low, high in (found.ahead[name] for name in LED)
    ]
