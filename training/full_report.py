"""The report of a training run: what `train` prints, and every figure as plain data."""

from collections.abc import Sequence

from rich.table import Table

from training.bootstrap import Interval
from training.full import CONTENT, MODEL, RENEWED, Full
from training.full import SHOWN as PLACES
from training.report import redeemed_table
from training.slices import ALL, Measured
from training.terminal import table

SHOWN = ("recall@10", "ndcg@10", "hr@3", "mrr@3")
LED = ("recall@10", "ndcg@10")
POPULARITY, BESIDE = "popularity", "recall@10"


def full_tables(full: Full) -> list[Table]:
    """Return for each intent: all rankers over all cases, the release by slice, sources, spread."""
    tables = []
    for intent, measured in full.measured.items():
        whole = [found for found in measured if found.slice == ALL]
        parts = [found for found in measured if found.slice != ALL and found.ranker == MODEL]
        by = {(found.ranker, found.slice): found for found in measured}
        beside = [name for name in (POPULARITY, CONTENT) if (name, ALL) in by]
        title = f"Intent {intent}: {whole[0].n:,} cases [95 % interval]"
        ranked = full.stage.intents.get(intent) if full.stage else None
        if ranked is not None:
            error, top = ranked.error
            title += f"; calibration error {error:.5f}, in the top 1 % {top:.5f}"
        tables.append(
            table(
                title,
                ("ranker",),
                (*SHOWN, *(f"{MODEL} leads, {name}" for name in LED)),
                [(found.ranker, *_cells(found), *_leads(found)) for found in whole],
            )
        )
        again = [found for found in full.renewed.get(intent, ()) if found.slice == ALL]
        if again:
            tables.append(
                table(
                    f"Intent {intent}, where shares are renewed with the trend",
                    ("ranker",),
                    (*SHOWN, *(f"{RENEWED} leads, {name}" for name in LED)),
                    [(found.ranker, *_cells(found), *_leads(found)) for found in again],
                )
            )
        tables.append(
            table(
                f"Intent {intent}, the {MODEL} by slice",
                ("slice",),
                ("cases", *SHOWN, *(f"{name}, {BESIDE}" for name in beside)),
                [
                    (
                        found.slice,
                        f"{found.n:,}",
                        *_cells(found),
                        *(_cell(by[name, found.slice].metrics[BESIDE]) for name in beside),
                    )
                    for found in parts
                ],
            )
        )
        if ranked is not None:
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
        tables.append(
            table(
                f"Intent {intent}, the first {PLACES} of all lists",
                ("ranker",),
                ("coverage of the catalogue", "novelty, bits", "overlap of two people"),
                [
                    (name, f"{found.coverage:.3f}", f"{found.novelty:.2f}", f"{found.overlap:.3f}")
                    for name, found in full.spread[intent].items()
                ],
            )
        )
    if full.newcomers:
        tables.append(
            table(
                f"Newcomers in none of what was learnt, {full.newcomers[0].n:,} cases",
                ("known", "ranker"),
                (*SHOWN, *(f"{MODEL} leads, {name}" for name in LED)),
                [
                    (found.slice, found.ranker, *_cells(found), *_leads(found))
                    for found in full.newcomers
                ],
            )
        )
    if full.redeemed:
        tables.append(redeemed_table(full.redeemed))
    return tables


def full_figures(full: Full) -> dict[str, object]:
    """Return every figure as plain data; it names no customer."""
    intents = full.stage.intents if full.stage else {}
    figures: dict[str, object] = {
        intent: {
            "calibration_error": list(intents[intent].error) if intent in intents else [],
            "sources": [list(row) for row in full.sources.get(intent, ())],
            "spread": {name: one._asdict() for name, one in full.spread[intent].items()},
            "measured": [_plain(found) for found in measured],
            "renewed": [_plain(found) for found in full.renewed.get(intent, ())],
        }
        for intent, measured in full.measured.items()
    }
    if full.newcomers:
        figures["newcomers"] = [_plain(found) for found in full.newcomers]
    if full.redeemed:
        figures["redeemed"] = [_plain(found) for found in full.redeemed]
    return figures


def _plain(found: Measured) -> dict[str, object]:
    return {
        "ranker": found.ranker,
        "slice": found.slice,
        "n": found.n,
        "metrics": {name: value._asdict() for name, value in found.metrics.items()},
        "behind_the_release": {name: value._asdict() for name, value in found.ahead.items()},
    }


def _cells(found: Measured) -> Sequence[str]:
    return [_cell(found.metrics[name]) for name in SHOWN]


def _cell(found: Interval) -> str:
    value, low, high = found
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _leads(found: Measured) -> Sequence[str]:
    if not found.ahead:
        return [""] * len(LED)
    return [
        f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
        for value, low, high in (found.ahead[name] for name in LED)
    ]
