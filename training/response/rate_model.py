"""Learn the rate of response to contacts, and score contacts by it.

An offer over several items is scored by the one that scores highest, its leading item, as when it
is served. Which one that is depends on the trees that are to be learnt: first it is chosen by the
trees of the second stage, then `ROUNDS` times by the new ones. Each choice with the fit after it is
a step of hard expectation maximisation.

Contacts are few compared with purchases. So the score of the second stage, which is learnt from
purchases, is scaled to the log odds of a response by logistic regression, and trees over contacts
correct it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.domain.decisions import Intent
from models.errors import BadDataset
from models.numeric.array_types import Floats
from models.recommender.feature_group import Feature
from models.recommender.retrieval import RetrievalTables
from models.recommender.sources import Quotas, propose_candidates
from models.recommender.trees import Trees, read_trees
from models.recommender.user_features import HistoryConfig
from models.release.release import Release
from training.log.event_log import Log
from training.log.order import Bound
from training.progress import Progress, no_progress
from training.ranking.calibrate import calibrate
from training.ranking.cross_fit import FittedTrees
from training.ranking.fit_trees import RankerSettings, grow_trees, scale_scores
from training.ranking.groups import group_requests, item_ranker_features
from training.response.contacts import Contact, offer_items
from training.splits.cases import Case
from training.splits.eval_cases import EvalCase, eval_cases_of

ROUNDS = 2  # of choosing the leading items and fitting again
MINIMUM_RESPONSES = 50  # fewer teach nothing
STEPS = 30  # of Newton's method, which needs a few
PRIOR_WEIGHT = 100.0  # contacts that the trees' own odds count for in calibration
RIDGE = 1.0  # keeps the slope finite where scores separate hits, or hardly differ

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class DescribedContacts:
    """Contacts with the features of every item that their offers are about.

    The items of contact c are the rows of `matrix` (members, features) from `starts[c]` to
    `starts[c + 1]`, at least one.
    """

    contacts: Sequence[Contact]
    matrix: Floats
    starts: NDArray[np.int64]

    @property
    def responded(self) -> NDArray[np.bool_]:
        """Return (contacts,): whether the customer responded."""
        return np.array([contact.responded for contact in self.contacts], np.bool_)

    @property
    def customers(self) -> NDArray[np.int64]:
        """Return (contacts,): the customer of each."""
        return np.array([contact.customer for contact in self.contacts], np.int64)

    def leading_items(self, trees: Trees) -> tuple[NDArray[np.int64], Scores]:
        """Return the rows of `matrix` of the leading items, and their scores, both (contacts,)."""
        scores = trees.score(self.matrix)
        contact = np.repeat(np.arange(len(self.contacts)), np.diff(self.starts))
        order = np.lexsort((-scores, contact))
        rows = order[self.starts[:-1]]
        return rows, scores[rows]

    def sum_over_items(self, values: Floats) -> Scores:
        """Return the sum of `values` (members,) over the items of each contact's offer."""
        return np.add.reduceat(values.astype(np.float64), self.starts[:-1])


@dataclass(frozen=True)
class ContactDescriber:
    """Makes the features of contacts of a log, as a release with these settings would see them."""

    log: Log
    items: Sequence[str]
    history: HistoryConfig
    quotas: Quotas

    def __call__(
        self,
        contacts: Sequence[Contact],
        retrieval: RetrievalTables,
        progress: Progress = no_progress,
    ) -> DescribedContacts:
        """Return the contacts whose offer has a known item, with features from before each."""
        row_of = {item: row for row, item in enumerate(self.items)}
        members = offer_items(self.log, row_of, retrieval.shares.logs[0])
        contacts = [contact for contact in contacts if contact.offer in members]
        requests = group_requests(self._eval_cases(contacts), row_of, self.history)
        allowed = np.ones(len(self.items), np.bool_)
        matrices, sizes = [], []
        for at, (contact, request) in enumerate(zip(contacts, requests, strict=True)):
            rows = members[contact.offer]
            proposed = propose_candidates(retrieval, request.history, self.quotas, allowed)
            matrices.append(item_ranker_features(rows, request, proposed, retrieval))
            sizes.append(len(rows))
            if at % 256 == 0:
                progress(at, len(contacts))
        starts = np.concatenate([[0], np.cumsum(np.array(sizes, np.int64))])
        matrix = np.concatenate(matrices) if matrices else np.empty((0, 0), np.float32)
        return DescribedContacts(contacts, matrix, starts)

    def _eval_cases(self, contacts: Sequence[Contact]) -> list[EvalCase]:
        cases = [Case(c.customer, (), Bound(1, c.time), c.time) for c in contacts]
        return eval_cases_of(self.log, cases)


def fit_response_rate(
    parts: Sequence[DescribedContacts],
    organic: Trees,
    features: Sequence[Feature],
    settings: RankerSettings,
    folds: int,
    seed: int,
) -> FittedTrees:
    """Fit on the contacts of all parts; calibrate on scores by trees that never saw the customer.

    `organic` are the trees of the second stage. Customers are dealt into `folds` under `seed`.
    Raises `BadDataset` where there are fewer than `MINIMUM_RESPONSES` responses.
    """
    matrix, hits, customers = _leading_rows(parts, organic)
    if hits.sum() < MINIMUM_RESPONSES:
        raise BadDataset(
            f"events.parquet: {hits.sum()} responses to contacts before the test; "
            f"min {MINIMUM_RESPONSES}"
        )
    for _ in range(ROUNDS):
        trees = _corrected(matrix, hits, organic, features, settings, seed)
        matrix, hits, customers = _leading_rows(parts, trees)
    everyone = np.unique(customers)
    fold_of = np.random.default_rng([seed, 13]).permutation(len(everyone)) % folds
    scores = np.empty(len(hits))
    for fold in range(folds):
        out = np.isin(customers, everyone[fold_of == fold])
        unseen_trees = _corrected(matrix[~out], hits[~out], organic, features, settings, seed)
        scores[out] = unseen_trees.score(matrix[out])
    return FittedTrees(trees, calibrate(scores, hits, PRIOR_WEIGHT))


def _corrected(
    matrix: Floats,
    hits: NDArray[np.bool_],
    organic: Trees,
    features: Sequence[Feature],
    settings: RankerSettings,
    seed: int,
) -> Trees:
    """Scale the `organic` scores to the log odds of a hit, and grow trees that correct them."""
    start = scale_scores(organic.text, *log_odds(organic.score(matrix), hits))
    return read_trees(grow_trees(matrix, hits, features, settings, seed, start))


def log_odds(scores: Scores, hits: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope (0 or more) and shift of logistic regression, by Newton's method.

    `scores` and `hits` are (n,), with both hits and misses.
    """
    share = hits.mean()
    flat = 0.0, float(np.log(share / (1 - share)))
    columns = np.stack([scores - scores.mean(), np.ones(len(scores))], axis=1)
    coefficients = np.array(flat)
    for _ in range(STEPS):
        rates = expit(columns @ coefficients)
        curvature = (columns * (rates * (1 - rates))[:, None]).T @ columns
        curvature[0, 0] += RIDGE
        coefficients += np.linalg.solve(
            curvature, columns.T @ (hits - rates) - [RIDGE * coefficients[0], 0.0]
        )
    slope, shift = coefficients.tolist()
    # A higher score cannot mean fewer responses: a negative slope is noise.
    return (slope, shift - slope * float(scores.mean())) if slope > 0 else flat


def _leading_rows(
    parts: Sequence[DescribedContacts], trees: Trees
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
    """Return the features of each contact's leading item, whether it is a hit, and its customer."""
    matrix = [part.matrix[part.leading_items(trees)[0]] for part in parts if part.contacts]
    if not matrix:
        raise BadDataset("events.parquet: no contact before the test")
    return (
        np.concatenate(matrix),
        np.concatenate([part.responded for part in parts]),
        np.concatenate([part.customers for part in parts]),
    )


@dataclass(frozen=True)
class ContactScores:
    """The score and the rate of response that a release gives each contact, both (contacts,)."""

    scores: Scores
    rates: Scores


def score_contacts(
    release: Release, log: Log, contacts: Sequence[Contact], progress: Progress
) -> ContactScores | None:
    """Return what `release` gives contacts of `log`; None for one without a second stage.

    A contact with an offer about no item of the release scores -inf and has its lowest rate.
    """
    stage = release.second_stage
    if stage is None:
        return None
    ensemble = stage.ensembles[Intent.DEFAULT]
    describe = ContactDescriber(log, release.items, release.history, ensemble.quotas)
    described = describe(contacts, stage.retrieval, progress)
    scores = np.full(len(contacts), -np.inf)
    if described.contacts:
        described_contacts = set(described.contacts)
        at = [place for place, contact in enumerate(contacts) if contact in described_contacts]
        scores[at] = described.leading_items(ensemble.trees)[1]
    return ContactScores(scores, ensemble.calibration.rate(scores))


def rate_of_all(earlier: Sequence[Contact]) -> float:
    """Return the rate of response of all `earlier` contacts: (responses + 1) / (contacts + 2)."""
    return (sum(contact.responded for contact in earlier) + 1) / (len(earlier) + 2)


def rates_by_offer(
    earlier: Sequence[Contact], contacts: Sequence[Contact], prior: float = 20.0
) -> Scores:
    """Return (contacts,): the rate of each contact's offer among `earlier` contacts.

    It is shrunk to the rate of all offers, which counts for `prior` contacts.
    """
    everybody = rate_of_all(earlier)
    shown: dict[str, list[int]] = {}
    for contact in earlier:
        counts = shown.setdefault(contact.offer, [0, 0])
        counts[0] += contact.responded
        counts[1] += 1
    return np.array([_rate(shown, contact.offer, everybody, prior) for contact in contacts])


def _rate(shown: Mapping[str, Sequence[int]], offer: str, everybody: float, prior: float) -> float:
    responded, contacts = shown.get(offer, (0, 0))
    return (responded + prior * everybody) / (contacts + prior)
