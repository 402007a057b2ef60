"""How good rates of response are: order, log loss and calibration, slice by slice.

AUC is the chance that of a contact that was responded to and one that was not, the first scores
higher (a tie counts half); "within" compares contacts of one customer only. Log loss is
-log(rate of what happened), in nats. Intervals are over resamples of customers.
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
    """A slice of `n` contacts: the mean rate that was forecast, and the share that responded."""

    slice: str
    n: int
    forecast: float
    responded: Interval


@dataclass(frozen=True)
class ResponseFigures:
    """How good a rate of response is on contacts that it was not learnt from.

    `error` is the calibration error overall and in the top 1 %; `by_chance` is what both would be
    on average if every rate were true. `learnt_from` counts the contacts that it was learnt from,
    and the responses to them.
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
    """Measure each ranker's scores (contacts,), and its rates (contacts,) where it has them.

    The first ranker is compared with the others, and must have rates. The `n` of a measurement
    counts responses, since an AUC is a mean over these.
    """
    hits = np.array([contact.responded for contact in contacts], np.bool_)
    customers = np.array([contact.customer for contact in contacts], np.int64)
    channels = np.array([contact.channel for contact in contacts], np.str_)
    slices = {ALL: np.ones(len(contacts), np.bool_)}
    slices |= {f"on {name}": channels == name for name in sorted(set(channels.tolist()))}
    measured: list[Measurement] = []
    calibrated = []
    forecast = next(iter(rates.values()))
    for name, mask in slices.items():
        if hits[mask].any() and not hits[mask].all():
            measured += _slice(name, mask, hits, customers, scores, rates, seed)
        share = intervals(hits[mask].astype(np.float64)[:, None], seed, of=customers[mask])[0]
        calibrated.append(Calibrated(name, int(mask.sum()), float(forecast[mask].mean()), share))
    error, by_chance = calibration_error(forecast, hits), _error_by_chance(forecast, seed)
    return ResponseFigures(measured, calibrated, error, by_chance, learnt_from)


def _error_by_chance(rates: Floats, seed: int) -> tuple[float, float]:
    """Return the mean calibration error where hits are drawn from the rates themselves."""
    random = np.random.default_rng([seed, 15])
    drawn = [calibration_error(rates, random.random(len(rates)) < rates) for _ in range(DRAWS)]
    error, top = np.mean(drawn, axis=0).tolist()
    return error, top


def _slice(
    name: str,
    mask: Mask,
    hits: Mask,
    customers: NDArray[np.int64],
    scores: Mapping[str, Floats],
    rates: Mapping[str, Floats],
    seed: int,
) -> Iterator[Measurement]:
    values: dict[str, dict[str, Floats]] = {}
    for ranker, scored in scores.items():
        values[ranker] = {
            AUC: aucs(scored[mask], hits[mask]),
            WITHIN: aucs_within(scored[mask], hits[mask], customers[mask]),
        }
        if ranker in rates:
            values[ranker][LOSS] = _losses(rates[ranker][mask], hits[mask])
    first = next(iter(values.values()))
    customers_of = {
        AUC: customers[mask & hits],
        LOSS: customers[mask],
    }  # WITHIN has one value for each
    for ranker, by_metric in values.items():
        metrics, leads_of = {}, {}
        for metric, values_of in by_metric.items():
            if not len(values_of):
                continue
            lead = values_of - first[metric] if metric == LOSS else first[metric] - values_of
            both = np.stack([values_of, lead], axis=1)
            metrics[metric], leads = intervals(both, seed, of=customers_of.get(metric))
            if values_of is not first[metric]:
                leads_of[metric] = leads
        yield Measurement(ranker, name, int(hits[mask].sum()), metrics, leads_of)


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
    values_of = [
        float(aucs(scores[own], hits[own]).mean())
        for own in np.split(order, first[1:])
        if hits[own].any() and not hits[own].all()
    ]
    return np.array(values_of)


def _losses(rates: Floats, hits: Mask) -> Floats:
    likely = np.clip(rates, 1e-6, 1 - 1e-6)
    return np.asarray(-np.log(np.where(hits, likely, 1 - likely)), np.float64)
