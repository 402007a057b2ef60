"""How well rates of response are known: order, log loss, and calibration, slice by slice.

AUC is the chance that of a contact that was responded to and one that was not, the first scores
higher (a tie counts half); "within" compares contacts of one customer only. Log loss is
-log(rate of what happened), in nats. Intervals are over customers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.bootstrap import Interval, intervals
from training.evaluation.slices import ALL, Measurement
from training.ranking.calibrate import calibration_error
from training.response.contacts import Contact

AUC, WITHIN, LOSS = "auc", "auc within", "log loss"
DRAWS = 200

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Calibrated:
    """Of `n` contacts in a slice, the mean of what was forecast, and the share that responded."""

    slice: str
    n: int
    forecast: float
    responded: Interval


@dataclass(frozen=True)
class ResponseFigures:
    """What is known of a rate of response.

    `error` is the calibration error overall, and in the top 1 %; `by_chance` is what the same
    contacts would show on average if every rate were true. `learnt_from` counts contacts, and
    responses to them.
    """

    measured: Sequence[Measurement]
    calibrated: Sequence[Calibrated]
    error: tuple[float, float]
    by_chance: tuple[float, float]
    learnt_from: tuple[int, int]


def response_figures(
    contacts: Sequence[Contact],
    scores: Mapping[str, Floats],
    rates: Mapping[str, Floats],
    learnt_from: tuple[int, int],
    seed: int,
) -> ResponseFigures:
    """Measure each ranker's scores (contacts,), and rates where it has them; the first is compared.

    The first must have rates. The cases of a slice are its responses, which an AUC is the mean of.
    """
    hits = np.array([contact.responded for contact in contacts], np.bool_)
    customers = np.array([contact.customer for contact in contacts], np.int64)
    channels = np.array([contact.channel for contact in contacts], np.str_)
    slices = {ALL: np.ones(len(contacts), np.bool_)}
    slices |= {f"on {name}": channels == name for name in sorted(set(channels.tolist()))}
    measured: list[Measurement] = []
    calibrated = []
    forecast = next(iter(rates.values()))
    for name, part in slices.items():
        if hits[part].any() and not hits[part].all():
            measured += _slice(name, part, hits, customers, scores, rates, seed)
        share = intervals(hits[part].astype(np.float64)[:, None], seed, of=customers[part])[0]
        calibrated.append(Calibrated(name, int(part.sum()), float(forecast[part].mean()), share))
    error, by_chance = calibration_error(forecast, hits), _error_by_chance(forecast, seed)
    return ResponseFigures(measured, calibrated, error, by_chance, learnt_from)


def _error_by_chance(rates: Floats, seed: int) -> tuple[float, float]:
    """Return the mean calibration error of draws from the rates themselves."""
    random = np.random.default_rng([seed, 15])
    drawn = [calibration_error(rates, random.random(len(rates)) < rates) for _ in range(DRAWS)]
    error, top = np.mean(drawn, axis=0).tolist()
    return error, top


def _slice(
    name: str,
    part: Mask,
    hits: Mask,
    customers: NDArray[np.int64],
    scores: Mapping[str, Floats],
    rates: Mapping[str, Floats],
    seed: int,
) -> Iterator[Measurement]:
    values: dict[str, dict[str, Floats]] = {}
    for ranker, scored in scores.items():
        values[ranker] = {
            AUC: aucs(scored[part], hits[part]),
            WITHIN: aucs_within(scored[part], hits[part], customers[part]),
        }
        if ranker in rates:
            values[ranker][LOSS] = _losses(rates[ranker][part], hits[part])
    first = next(iter(values.values()))
    whose = {AUC: customers[part & hits], LOSS: customers[part]}  # WITHIN has one of each
    for ranker, by_metric in values.items():
        metrics, ahead = {}, {}
        for metric, found in by_metric.items():
            if not len(found):
                continue
            lead = found - first[metric] if metric == LOSS else first[metric] - found
            both = np.stack([found, lead], axis=1)
            metrics[metric], leads = intervals(both, seed, of=whose.get(metric))
            if found is not first[metric]:
                ahead[metric] = leads
        yield Measurement(ranker, name, int(hits[part].sum()), metrics, ahead)


def aucs(scores: Floats, hits: Mask) -> Floats:
    """Return for each hit the share of misses that score below it; the mean is the AUC."""
    misses = np.sort(scores[~hits])
    if not len(misses):
        return np.empty(0)
    below = np.searchsorted(misses, scores[hits], side="left")
    upto = np.searchsorted(misses, scores[hits], side="right")
    return np.asarray((below + upto) / (2 * len(misses)), np.float64)


def aucs_within(scores: Floats, hits: Mask, customers: NDArray[np.int64]) -> Floats:
    """Return the AUC of each customer who has both hits and misses."""
    order = np.argsort(customers, kind="stable")
    _, first = np.unique(customers[order], return_index=True)
    found = [
        float(aucs(scores[own], hits[own]).mean())
        for own in np.split(order, first[1:])
        if hits[own].any() and not hits[own].all()
    ]
    return np.array(found)


def _losses(rates: Floats, hits: Mask) -> Floats:
    likely = np.clip(rates, 1e-6, 1 - 1e-6)
    return np.asarray(-np.log(np.where(hits, likely, 1 - likely)), np.float64)
