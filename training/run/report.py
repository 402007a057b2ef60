"""The report of a training run: what `train` prints, and every figure as plain data."""

import dataclasses
from collections.abc import Mapping, Sequence

from rich.table import Table

from training.evaluation.bootstrap import Interval
from training.evaluation.compared_rankers import CONTENT, POPULARITY
from training.evaluation.incumbent import MODEL
from training.evaluation.slices import ALL, Measurement
from training.response.figures import AUC, LOSS, WITHIN, ResponseFigures
from training.run.pipeline import RENEWED, TrainedPipeline
from training.run.pipeline import SHOWN as PLACES
from training.terminal import table

SHOWN = ("recall@10", "ndcg@10", "hr@3", "mrr@3")
LED = ("recall@10", "ndcg@10")
BESIDE = "recall@10"


def report_tables(trained: TrainedPipeline) -> list[Table]:
    """Return for each intent: all rankers over all cases, the release by slice, sources, spread."""
    tables = [] if trained.responses is None else response_tables(trained.responses)
    for intent, measured in trained.measured.items():
        whole = [found for found in measured if found.slice == ALL]
        parts = [found for found in measured if found.slice != ALL and found.ranker == MODEL]
        by = {(found.ranker, found.slice): found for found in measured}
        beside = [name for name in (POPULARITY, CONTENT) if (name, ALL) in by]
        title = f"Intent {intent}: {whole[0].n:,} cases [95 % interval]"
        ranked = trained.stage.intents.get(intent) if trained.stage else None
        if ranked is not None and trained.responses is None:
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
        again = [found for found in trained.renewed.get(intent, ()) if found.slice == ALL]
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
                        for name, found, lost, size in trained.sources[intent]
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
                    for name, found in trained.catalogue_coverage[intent].items()
                ],
            )
        )
    if trained.cold_users:
        tables.append(
            table(
                f"Newcomers in none of what was learnt, {trained.cold_users[0].n:,} cases",
                ("known", "ranker"),
                (*SHOWN, *(f"{MODEL} leads, {name}" for name in LED)),
                [
                    (found.slice, found.ranker, *_cells(found), *_leads(found))
                    for found in trained.cold_users
                ],
            )
        )
    if trained.new_items:
        tables.append(
            table(
                f"New items among themselves, {trained.new_items[0].n:,} cases",
                ("ranker",),
                (*SHOWN, *(f"{MODEL} leads, {name}" for name in LED)),
                [(found.ranker, *_cells(found), *_leads(found)) for found in trained.new_items],
            )
        )
    if trained.redeemed:
        tables.append(redeemed_table(trained.redeemed))
    return tables


def redeemed_table(measured: Sequence[Measurement]) -> Table:
    """Return how offers are ranked against redemptions, ranker by ranker."""
    rows = [
        (
            found.ranker,
            f"{found.n:,}",
            *(_cell_or_none(found.metrics, name) for name in LED),
            *(_cell_or_none(found.lead, name, "+") for name in LED),
        )
        for found in measured
    ]
    leads = [f"{measured[0].ranker} leads, {name}" for name in LED]
    title = f"Offers ranked against {measured[0].n:,} redemptions, those valid at the moment"
    return table(title, ("ranker",), ("cases", *LED, *leads), rows)


def response_tables(found: ResponseFigures) -> list[Table]:
    """Return how well the rate of response is known, beside the baselines and by slice."""
    contacts, responses = found.learnt_from
    whole = [one for one in found.measured if one.slice == ALL]
    title = f"Responses, learnt from {contacts:,} contacts with {responses:,} [95 % interval]\n"
    title += "; ".join(
        f"calibration error{where} {error:.4f}, {chance:.4f} by chance"
        for where, error, chance in zip(
            ("", " in the top 1 %"), found.error, found.by_chance, strict=True
        )
    )
    shown = (AUC, WITHIN, LOSS)
    return [
        table(
            title,
            ("ranker",),
            (*shown, *(f"{MODEL} leads, {name}" for name in shown)),
            [
                (
                    one.ranker,
                    *(_cell_or_none(one.metrics, name) for name in shown),
                    *(_cell_or_none(one.lead, name, sign="+") for name in shown),
                )
                for one in whole
            ],
        ),
        table(
            "Responses, what was forecast and what came",
            ("slice",),
            ("contacts", "forecast", "responded"),
            [
                (one.slice, f"{one.n:,}", f"{one.forecast:.4f}", _cell(one.responded, digits=4))
                for one in found.calibrated
            ],
        ),
    ]


def report_figures(trained: TrainedPipeline) -> dict[str, object]:
    """Return every figure as plain data; it names no customer."""
    intents = trained.stage.intents if trained.stage else {}
    figures: dict[str, object] = {
        intent: {
            "calibration_error": list(intents[intent].error) if intent in intents else [],
            "sources": [list(row) for row in trained.sources.get(intent, ())],
            "spread": {
                name: one._asdict() for name, one in trained.catalogue_coverage[intent].items()
            },
            "measured": [_plain(found) for found in measured],
            "renewed": [_plain(found) for found in trained.renewed.get(intent, ())],
        }
        for intent, measured in trained.measured.items()
    }
    if trained.cold_users:
        figures["newcomers"] = [_plain(found) for found in trained.cold_users]
    if trained.new_items:
        figures["new_items"] = [_plain(found) for found in trained.new_items]
    if trained.responses is not None:
        figures["responses"] = {
            "calibration_error": list(trained.responses.error),
            "calibration_error_by_chance": list(trained.responses.by_chance),
            "calibrated": [dataclasses.asdict(one) for one in trained.responses.calibrated],
            "measured": [_plain(found) for found in trained.responses.measured],
        }
    if trained.redeemed:
        figures["redeemed"] = [_plain(found) for found in trained.redeemed]
    return figures


def _plain(found: Measurement) -> dict[str, object]:
    return {
        "ranker": found.ranker,
        "slice": found.slice,
        "n": found.n,
        "metrics": {name: value._asdict() for name, value in found.metrics.items()},
        "behind_the_release": {name: value._asdict() for name, value in found.lead.items()},
    }


def _cells(found: Measurement) -> Sequence[str]:
    return [_cell(found.metrics[name]) for name in SHOWN]


def _cell(found: Interval, digits: int = 3, sign: str = "") -> str:
    value, low, high = (f"{part:{sign}.{digits}f}" for part in found)
    return f"{value} [{low}, {high}]"


def _cell_or_none(found: Mapping[str, Interval], name: str, sign: str = "") -> str:
    return _cell(found[name], sign=sign) if name in found else ""


def _leads(found: Measurement) -> Sequence[str]:
    if not found.lead:
        return [""] * len(LED)
    return [_cell(found.lead[name], sign="+") for name in LED]
