"""The rate of response of a release: learn it, and compare it with baselines on later contacts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import BadDataset
from models.recommender.features_of_item import BOUGHT
from models.recommender.trees import Trees
from models.recommender.user_features import HistoryConfig
from models.release.release import Release
from training.evaluation.incumbent import IN_FORCE, MODEL
from training.log.event_log import Log
from training.progress import Steps
from training.ranking.cross_fit import FittedTrees
from training.ranking.second_stage import DEFAULT, FittedSecondStage, TrainingWindow
from training.ranking.settings import SecondStageSettings
from training.response.contacts import Contact, ResponseConfig, contacts_of
from training.response.figures import ResponseFigures, response_figures
from training.response.rate_model import (
    ContactDescriber,
    DescribedContacts,
    fit_response_rate,
    rate_of_all,
    rates_by_offer,
    score_contacts,
)

OFFER_RATE, ONE_RATE, PURCHASES, AFFINITY = (
    "the offer's rate so far",
    "one rate for all",
    "purchases of its items",
    "affinity to the best item",
)


@dataclass(frozen=True)
class ResponseStage:
    """Trees of the rate of response, what they learnt from, and later contacts to measure on.

    `fitted` learnt from `earlier_contacts`, `refitted` from `test_contacts`, too, where the
    settings ask for it. `organic` are the trees of the second stage, which saw no contacts.
    `bought_column` is the feature log(1 + purchases of the item).
    """

    earlier_contacts: Sequence[Contact]
    test_contacts: DescribedContacts
    organic: Trees
    bought_column: int
    fitted: FittedTrees
    refitted: FittedTrees

    def figures(
        self, release: Release, incumbent: Release | None, log: Log, seed: int, steps: Steps
    ) -> ResponseFigures:
        """Compare `release`, as it would serve, with the baselines and the release in force.

        Raises `BadDataset` where the test window has no contact whose days are over.
        """
        contacts = self.test_contacts.contacts
        if not contacts:
            raise BadDataset("events.parquet: no contact in the test whose days are over")
        own = score_contacts(release, log, contacts, steps("responses: judging"))
        assert own is not None, "a release with rates of response has a second stage"
        rates = {
            MODEL: own.rates,
            OFFER_RATE: rates_by_offer(self.earlier_contacts, contacts),
            ONE_RATE: np.full(len(contacts), rate_of_all(self.earlier_contacts)),
        }
        affinity = self.test_contacts.leading_items(self.organic)[1]
        purchases = self.test_contacts.sum_over_items(
            np.expm1(self.test_contacts.matrix[:, self.bought_column])
        )
        scores = {**rates, MODEL: own.scores, PURCHASES: purchases, AFFINITY: affinity}
        if incumbent is not None:
            other = score_contacts(
                incumbent, log, contacts, steps("responses: the release in force")
            )
            if other is not None:
                scores[IN_FORCE] = other.scores
        learnt_from = (
            len(self.earlier_contacts),
            sum(contact.responded for contact in self.earlier_contacts),
        )
        return response_figures(contacts, scores, rates, learnt_from, seed)


def fit_response_stage(
    log: Log,
    test_window: tuple[int, int] | None,
    training_windows: Sequence[TrainingWindow],
    stage: FittedSecondStage,
    history: HistoryConfig,
    settings: SecondStageSettings,
    response: ResponseConfig,
    steps: Steps,
) -> ResponseStage:
    """Learn from the contacts in `training_windows`, with the tables that `stage` has for these.

    `test_window` is the start and end of the test, in microseconds. Raises `BadDataset` where the
    data has no times, or too few customers responded.
    """
    windows = [window.window for window in training_windows if window.window is not None]
    if test_window is None or len(windows) < len(training_windows):
        raise BadDataset("events.parquet: a rate of response is learnt from times; here are none")
    describe = ContactDescriber(log, stage.items, history, settings.default.quotas)
    parts = [
        describe(
            contacts_of(log, response, span, test_window[0]),
            retrieval,
            steps("responses: describing"),
        )
        for span, retrieval in zip(windows, stage.earlier_retrievals, strict=True)
    ]
    test_contacts = describe(
        contacts_of(log, response, test_window), stage.retrieval, steps("responses: later")
    )
    ranked = stage.intents[DEFAULT]
    features, organic = ranked.features, ranked.fitted.trees
    ranker, folds, seed = response.ranker, settings.folds, settings.seed
    steps("responses: fitting")(0, 1)
    fitted = refitted = fit_response_rate(parts, organic, features, ranker, folds, seed)
    if settings.refit:
        refitted = fit_response_rate(
            [test_contacts, *parts], organic, features, ranker, folds, seed
        )
    earlier = [contact for part in parts for contact in part.contacts]
    bought_column = [feature.name for feature in features].index(BOUGHT)
    return ResponseStage(earlier, test_contacts, organic, bought_column, fitted, refitted)
