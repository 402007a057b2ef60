"""Learn the rate of response to contacts, and judge contacts by it.

An offer over a set is led by the item in it that scores highest, as it is when it is served. Which
one that is depends on the trees that are learnt: first the trees of the second stage choose, then
twice the new ones (each choice and fit is a step of hard expectation maximisation).

Contacts are few beside purchases. So what is known of purchases comes first, as a score that is
scaled to the log odds of a response by logistic regression, and trees over contacts correct it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from models.domain.decisions import Intent
from models.errors import BadDataset
from models.numeric.array_types import Floats
from models.recommender.ranker_features import Feature
from models.recommender.retrieval import Quotas, RetrievalTables, propose_candidates
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

ROUNDS = 2  # of choosing what leads an offer, and fitting again
MINIMUM_RESPONSES = 50  # fewer teach nothing
STEPS = 30  # of Newton's method, which needs a few
PRIOR_WEIGHT = 100.0  # contacts that the trees' own odds count for where they are calibrated
RIDGE = 1.0  # holds the slope where scores tell all, or hardly differ

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class DescribedContacts:
    """Contacts with the features of every item that their offers are about.

    The items of contact c are the rows of `matrix` (members, signals) from `starts[c]` to
    `starts[c + 1]`, at least one.
    """

    contacts: Sequence[Contact]
    matrix: Floats
    starts: NDArray[np.int64]

    @property
    def responded(self) -> NDArray[np.bool_]:
        """Return which contacts were responded to."""
        return np.array([contact.responded for contact in self.contacts], np.bool_)

    @property
    def customers(self) -> NDArray[np.int64]:
        """Return the customer of each contact."""
        return np.array([contact.customer for contact in self.contacts], np.int64)

    def leading_items(self, trees: Trees) -> tuple[NDArray[np.int64], Scores]:
        """Return the row of `matrix` that leads each contact's offer, and its score."""
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
    """Describes contacts of a log as a release with this retrieval would see them."""

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
        """Describe the contacts with an offer about a known item; by what came before each."""
        row_of = {item: row for row, item in enumerate(self.items)}
        members = offer_items(self.log, row_of, retrieval.shares.logs[0])
        contacts = [contact for contact in contacts if contact.offer in members]
        asked = group_requests(self._questions(contacts), row_of, self.history)
        allowed = np.ones(len(self.items), np.bool_)
        matrices, sizes = [], []
        for at, (contact, one) in enumerate(zip(contacts, asked, strict=True)):
            rows = members[contact.offer]
            proposed = propose_candidates(retrieval, one.history, self.quotas, allowed)
            matrices.append(item_ranker_features(rows, one, proposed, retrieval))
            sizes.append(len(rows))
            if at % 256 == 0:
                progress(at, len(contacts))
        starts = np.concatenate([[0], np.cumsum(np.array(sizes, np.int64))])
        matrix = np.concatenate(matrices) if matrices else np.empty((0, 0), np.float32)
        return DescribedContacts(contacts, matrix, starts)

    def _questions(self, contacts: Sequence[Contact]) -> list[EvalCase]:
        cases = [Case(one.customer, (), Bound(1, one.time), one.time) for one in contacts]
        return eval_cases_of(self.log, cases)


def fit_response_rate(
    parts: Sequence[DescribedContacts],
    organic: Trees,
    features: Sequence[Feature],
    settings: RankerSettings,
    folds: int,
    seed: int,
) -> FittedTrees:
    """Fit on the contacts of all parts; each is calibrated by trees that never saw its customer.

    `first` are the trees of the second stage. Raises `BadDataset` where hardly
    anybody responded.
    """
    matrix, hits, customers = _led(parts, organic)
    if hits.sum() < MINIMUM_RESPONSES:
        raise BadDataset(
            f"events.parquet: {hits.sum()} responses to contacts before the test; "
            f"min {MINIMUM_RESPONSES}"
        )
    for _ in range(ROUNDS):
        trees = _grown(matrix, hits, organic, features, settings, seed)
        matrix, hits, customers = _led(parts, trees)
    everyone = np.unique(customers)
    dealt = np.random.default_rng([seed, 13]).permutation(len(everyone)) % folds
    scores = np.empty(len(hits))
    for fold in range(folds):
        out = np.isin(customers, everyone[dealt == fold])
        apart = _grown(matrix[~out], hits[~out], organic, features, settings, seed)
        scores[out] = apart.score(matrix[out])
    return FittedTrees(trees, calibrate(scores, hits, PRIOR_WEIGHT))


def _grown(
    matrix: Floats,
    hits: NDArray[np.bool_],
    first: Trees,
    features: Sequence[Feature],
    settings: RankerSettings,
    seed: int,
) -> Trees:
    """Scale the score of the `first` trees to the odds of a hit, and grow trees that correct it."""
    start = scale_scores(first.text, *log_odds(first.score(matrix), hits))
    return read_trees(grow_trees(matrix, hits, features, settings, seed, start))


def log_odds(scores: Scores, hits: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope (0 or more) and shift of logistic regression, by Newton's method.

    There must be hits and others.
    """
    share = hits.mean()
    flat = 0.0, float(np.log(share / (1 - share)))
    columns = np.stack([scores - scores.mean(), np.ones(len(scores))], axis=1)
    found = np.array(flat)
    for _ in range(STEPS):
        rates = expit(columns @ found)
        curvature = (columns * (rates * (1 - rates))[:, None]).T @ columns
        curvature[0, 0] += RIDGE
        found += np.linalg.solve(curvature, columns.T @ (hits - rates) - [RIDGE * found[0], 0.0])
    slope, shift = found.tolist()
    # Who likes an item most does not respond least: where it looks so, it says nothing.
    return (slope, shift - slope * float(scores.mean())) if slope > 0 else flat


def _led(
    parts: Sequence[DescribedContacts], trees: Trees
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64]]:
    """Return the features of what leads each contact's offer, who responded, and whose it was."""
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
    """What a release says of contacts: a score and a rate of each (contacts,)."""

    scores: Scores
    rates: Scores


def score_contacts(
    release: Release, log: Log, contacts: Sequence[Contact], progress: Progress
) -> ContactScores | None:
    """Return how `release` judges contacts of `log`; None of one without a second stage.

    What it does not know stands below all else, at its least rate.
    """
    stage = release.second_stage
    if stage is None:
        return None
    ensemble = stage.ensembles[Intent.DEFAULT]
    describe = ContactDescriber(log, release.items, release.history, ensemble.quotas)
    described = describe(contacts, stage.retrieval, progress)
    scores = np.full(len(contacts), -np.inf)
    if described.contacts:
        known = set(described.contacts)
        at = [place for place, contact in enumerate(contacts) if contact in known]
        scores[at] = described.leading_items(ensemble.trees)[1]
    return ContactScores(scores, ensemble.calibration.rate(scores))


def rate_of_all(earlier: Sequence[Contact]) -> float:
    """Return the rate of all contacts before; never quite 0 or 1."""
    return (sum(one.responded for one in earlier) + 1) / (len(earlier) + 2)


def rates_by_offer(
    earlier: Sequence[Contact], contacts: Sequence[Contact], prior: float = 20.0
) -> Scores:
    """Return the rate of each contact's offer before, drawn to that of all offers by `prior`.

    `prior` is how many contacts the rate of all offers counts for.
    """
    everybody = rate_of_all(earlier)
    shown: dict[str, list[int]] = {}
    for one in earlier:
        counts = shown.setdefault(one.offer, [0, 0])
        counts[0] += one.responded
        counts[1] += 1
    return np.array([_rate(shown, one.offer, everybody, prior) for one in contacts])


def _rate(shown: Mapping[str, Sequence[int]], offer: str, everybody: float, prior: float) -> float:
    responded, contacts = shown.get(offer, (0, 0))
    return (responded + prior * everybody) / (contacts + prior)
