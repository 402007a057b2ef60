"""The report of a training run: what `train` prints, and every figure as plain data."""

import dataclasses
from collections.abc import Mapping, Sequence

from rich.table import Table

from training.evaluation.bootstrap import Interval
from training.evaluation.incumbent import MODEL
from training.evaluation.slices import ALL, Measurement
from training.opponents.content import CONTENT
from training.opponents.popularity import POPULARITY
from training.response.figures import AUC, LOSS, WITHIN, ResponseFigures
from training.run.opponents_report import cell, opponents_data, opponents_table
from training.run.pipeline import RENEWED, TrainedPipeline
from training.run.pipeline import SHOWN as PLACES
from training.terminal import table

SHOWN = ("recall@10", "ndcg@10", "hr@3", "mrr@3")
LEAD_METRICS = ("recall@10", "ndcg@10")
COMPARED_METRIC = "recall@10"


def report_tables(trained: TrainedPipeline) -> list[Table]:
    """Return the tables of a run: responses, each intent, cold users, new items, redemptions.

    Of an intent: all rankers over all cases, the release by slice, recall by source, and coverage.
    """
    tables = [] if trained.responses is None else response_tables(trained.responses)
    for intent, measured in trained.measured.items():
        whole = [measurement for measurement in measured if measurement.slice == ALL]
        parts = [
            measurement
            for measurement in measured
            if measurement.slice != ALL and measurement.ranker == MODEL
        ]
        by = {(measurement.ranker, measurement.slice): measurement for measurement in measured}
        compared = [name for name in (POPULARITY.name, CONTENT.name) if (name, ALL) in by]
        title = f"Intent {intent}: {whole[0].n:,} cases [95 % interval]"
        ranked = trained.stage.intents.get(intent) if trained.stage else None
        if ranked is not None and trained.responses is None:
            error, top = ranked.error
            title += f"; calibration error {error:.5f}, in the top 1 % {top:.5f}"
        tables.append(
            table(
                title,
                ("ranker",),
                (*SHOWN, *(f"{MODEL} leads, {name}" for name in LEAD_METRICS)),
                [
                    (measurement.ranker, *_cells(measurement), *_leads(measurement))
                    for measurement in whole
                ],
            )
        )
        if trained.opponents.chosen(intent):
            tables.append(opponents_table(intent, trained.opponents, whole))
        renewed = [
            measurement
            for measurement in trained.renewed.get(intent, ())
            if measurement.slice == ALL
        ]
        if renewed:
            tables.append(
                table(
                    f"Intent {intent}, where shares are renewed with the trend",
                    ("ranker",),
                    (*SHOWN, *(f"{RENEWED} leads, {name}" for name in LEAD_METRICS)),
                    [
                        (measurement.ranker, *_cells(measurement), *_leads(measurement))
                        for measurement in renewed
                    ],
                )
            )
        tables.append(
            table(
                f"Intent {intent}, the {MODEL} by slice",
                ("slice",),
                ("cases", *SHOWN, *(f"{name}, {COMPARED_METRIC}" for name in compared)),
                [
                    (
                        measurement.slice,
                        f"{measurement.n:,}",
                        *_cells(measurement),
                        *(
                            cell(by[name, measurement.slice].metrics[COMPARED_METRIC])
                            for name in compared
                        ),
                    )
                    for measurement in parts
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
                        (name, f"{recall:.3f}", f"{lost:.4f}", f"{size:.1f}")
                        for name, recall, lost, size in trained.sources[intent]
                    ],
                )
            )
        tables.append(
            table(
                f"Intent {intent}, the first {PLACES} of all lists",
                ("ranker",),
                ("coverage of the catalogue", "novelty, bits", "overlap of two people"),
                [
                    (
                        name,
                        f"{lists.coverage:.3f}",
                        f"{lists.novelty:.2f}",
                        f"{lists.overlap:.3f}",
                    )
                    for name, lists in trained.catalogue_coverage[intent].items()
                ],
            )
        )
    if trained.cold_users:
        tables.append(
            table(
                f"Newcomers in none of what was learnt, {trained.cold_users[0].n:,} cases",
                ("known", "ranker"),
                (*SHOWN, *(f"{MODEL} leads, {name}" for name in LEAD_METRICS)),
                [
                    (
                        measurement.slice,
                        measurement.ranker,
                        *_cells(measurement),
                        *_leads(measurement),
                    )
                    for measurement in trained.cold_users
                ],
            )
        )
    if trained.new_items:
        tables.append(
            table(
                f"New items among themselves, {trained.new_items[0].n:,} cases",
                ("ranker",),
                (*SHOWN, *(f"{MODEL} leads, {name}" for name in LEAD_METRICS)),
                [
                    (measurement.ranker, *_cells(measurement), *_leads(measurement))
                    for measurement in trained.new_items
                ],
            )
        )
    if trained.redeemed:
        tables.append(redeemed_table(trained.redeemed))
    return tables


def redeemed_table(measured: Sequence[Measurement]) -> Table:
    """Return how each ranker ranks the offers that were redeemed."""
    rows = [
        (
            measurement.ranker,
            f"{measurement.n:,}",
            *(_cell_or_none(measurement.metrics, name) for name in LEAD_METRICS),
            *(_cell_or_none(measurement.lead, name, "+") for name in LEAD_METRICS),
        )
        for measurement in measured
    ]
    leads = [f"{measured[0].ranker} leads, {name}" for name in LEAD_METRICS]
    title = f"Offers ranked against {measured[0].n:,} redemptions, those valid at the moment"
    return table(title, ("ranker",), ("cases", *LEAD_METRICS, *leads), rows)


def response_tables(figures: ResponseFigures) -> list[Table]:
    """Return how good the rate of response is, next to the baselines and by slice."""
    contacts, responses = figures.learnt_from
    whole = [measurement for measurement in figures.measured if measurement.slice == ALL]
    title = f"Responses, learnt from {contacts:,} contacts with {responses:,} [95 % interval]\n"
    title += "; ".join(
        f"calibration error{where} {error:.4f}, {chance:.4f} by chance"
        for where, error, chance in zip(
            ("", " in the top 1 %"), figures.error, figures.by_chance, strict=True
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
                    measurement.ranker,
                    *(_cell_or_none(measurement.metrics, name) for name in shown),
                    *(_cell_or_none(measurement.lead, name, sign="+") for name in shown),
                )
                for measurement in whole
            ],
        ),
        table(
            "Responses, what was forecast and what came",
            ("slice",),
            ("contacts", "forecast", "responded"),
            [
                (part.slice, f"{part.n:,}", f"{part.forecast:.4f}", cell(part.responded, digits=4))
                for part in figures.calibrated
            ],
        ),
    ]


def report_figures(trained: TrainedPipeline) -> dict[str, object]:
    """Return every figure as plain data for JSON, with no customer in it."""
    intents = trained.stage.intents if trained.stage else {}
    figures: dict[str, object] = {
        intent: {
            "calibration_error": list(intents[intent].error) if intent in intents else [],
            "sources": [list(row) for row in trained.sources.get(intent, ())],
            "spread": {
                name: coverage._asdict()
                for name, coverage in trained.catalogue_coverage[intent].items()
            },
            "opponents": opponents_data(trained.opponents, intent),
            "measured": [_as_data(measurement) for measurement in measured],
            "renewed": [_as_data(measurement) for measurement in trained.renewed.get(intent, ())],
        }
        for intent, measured in trained.measured.items()
    }
    if trained.cold_users:
        figures["newcomers"] = [_as_data(measurement) for measurement in trained.cold_users]
    if trained.new_items:
        figures["new_items"] = [_as_data(measurement) for measurement in trained.new_items]
    if trained.responses is not None:
        figures["responses"] = {
            "calibration_error": list(trained.responses.error),
            "calibration_error_by_chance": list(trained.responses.by_chance),
            "calibrated": [dataclasses.asdict(part) for part in trained.responses.calibrated],
            "measured": [_as_data(measurement) for measurement in trained.responses.measured],
        }
    if trained.redeemed:
        figures["redeemed"] = [_as_data(measurement) for measurement in trained.redeemed]
    return figures


def _as_data(measurement: Measurement) -> dict[str, object]:
    return {
        "ranker": measurement.ranker,
        "slice": measurement.slice,
        "n": measurement.n,
        "metrics": {name: value._asdict() for name, value in measurement.metrics.items()},
        "behind_the_release": {name: value._asdict() for name, value in measurement.lead.items()},
    }


def _cells(measurement: Measurement) -> Sequence[str]:
    return [cell(measurement.metrics[name]) for name in SHOWN]


def _cell_or_none(metrics: Mapping[str, Interval], name: str, sign: str = "") -> str:
    return cell(metrics[name], sign=sign) if name in metrics else ""


def _leads(measurement: Measurement) -> Sequence[str]:
    if not measurement.lead:
        return [""] * len(LEAD_METRICS)
    return [cell(measurement.lead[name], sign="+") for name in LEAD_METRICS]
