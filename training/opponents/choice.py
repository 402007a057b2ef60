"""Choose the settings of each family on the window before the test, by NDCG@10, for each intent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.domain.decisions import Intent
from training.evaluation.ranked_lists import masked_rows
from training.log.event_log import Log
from training.opponents.acts import Acts, Floats, Ints, acts_of_cases, acts_of_customers
from training.opponents.content import features_of
from training.opponents.family import Candidate, Family, Past, Question, filled
from training.opponents.popularity import POPULARITY, RECENT
from training.progress import Steps
from training.retrieval.fit import StageOneSettings
from training.splits.eval_cases import EvalCase, discovery_cases

K = 10  # the length of the lists that settings are chosen by
MOST_CASES = 2_000
MOST_CELLS = 40_000_000  # of cases by items: of a large catalogue fewer cases are looked at
FEWEST_CASES = 200
BLOCK = 128  # cases scored at once


@dataclass(frozen=True)
class Choice:
    """What a family was chosen to be: of `tried` settings those with the best NDCG@10 before.

    `before` is that figure over `cases` cases, NaN where there was no window to choose on.
    """

    family: str
    settings: str
    tried: int
    before: float
    cases: int


class Wanted(NamedTuple):
    """What is right for one case: rows of the targets, how many there are, rows not listed."""

    rows: Ints
    number: int
    masked: Ints


@dataclass(frozen=True)
class Window:
    """A window before the test: the log up to it, and cases of it."""

    log: Log
    eval_cases: Sequence[EvalCase]


def past_of(
    log: Log,
    targets: Sequence[str],
    items: Sequence[str],
    stage_one: StageOneSettings,
    seed: int,
) -> Past:
    """Return what opponents learn from a log, over `items`."""
    row_of = {item: row for row, item in enumerate(items)}
    acts = acts_of_customers(log, targets, row_of)
    return Past(acts, features_of(log, row_of), stage_one, seed)


def question_of(
    log: Log, eval_cases: Sequence[EvalCase], targets: Sequence[str], items: Sequence[str]
) -> Question:
    """Return cases as rankers are asked about them."""
    row_of = {item: row for row, item in enumerate(items)}
    customers = [-1 if c.case.customer is None else c.case.customer for c in eval_cases]
    acts = acts_of_cases(log, eval_cases, targets, row_of)
    return Question(acts, np.array(customers, np.int64))


def choose(
    window: Window,
    targets: Sequence[str],
    items: Sequence[str],
    families: Sequence[Family],
    stage_one: StageOneSettings,
    seed: int,
    steps: Steps,
) -> dict[str, dict[str, Choice]]:
    """Return the choice of each family by its name, for each intent that has cases in `window`.

    At most `MOST_CASES` cases are looked at, drawn under `seed`, and fewer where items are many. A
    family that the data has nothing for is left out.
    """
    past = past_of(window.log, targets, items, stage_one, seed)
    drawn = _drawn(window.eval_cases, len(items), seed)
    question = question_of(window.log, drawn, targets, items)
    right = _right(drawn, items)
    order = np.random.default_rng([seed, 14]).permutation(len(items))
    fill = scores_of_nobody(next(POPULARITY.rankers(past, None)), len(items))
    choices: dict[str, dict[str, Choice]] = {intent: {} for intent in right}
    # Recent popularity first: what is unknown to others is filled by it.
    for family in sorted(families, key=lambda family: family is not RECENT):
        step = steps(f"opponents: {family.name}")
        tried: dict[str, list[tuple[float, str, Candidate]]] = {intent: [] for intent in right}
        for done, candidate in enumerate(family.rankers(past, None), 1):
            for intent, value in _figures(candidate, fill, question, right, order).items():
                tried[intent].append((value, candidate.settings, candidate))
            step(done, done + 1)
        for intent, found in tried.items():
            if found:
                value, settings, best = max(found, key=lambda one: one[0])
                cases = sum(one is not None for one in right[intent])
                choices[intent][family.name] = Choice(
                    family.name, settings, len(found), value, cases
                )
                if family is RECENT and intent == Intent.DEFAULT:
                    fill = scores_of_nobody(best, len(items))
    return {
        intent: {family.name: found[family.name] for family in families if family.name in found}
        for intent, found in choices.items()
        if found
    }


def unchosen(past: Past, families: Sequence[Family]) -> dict[str, Choice]:
    """Return the first settings of each family, where there is no window to choose on."""
    found = {}
    for family in families:
        first = next(family.rankers(past, None), None)
        if first is not None:
            found[family.name] = Choice(family.name, first.settings, 0, float("nan"), 0)
    return found


def _drawn(eval_cases: Sequence[EvalCase], items: int, seed: int) -> list[EvalCase]:
    most = int(np.clip(MOST_CELLS // max(items, 1), FEWEST_CASES, MOST_CASES))
    random = np.random.default_rng([seed, 15])
    return [eval_cases[at] for at in np.sort(random.permutation(len(eval_cases))[:most])]


def _right(
    eval_cases: Sequence[EvalCase], items: Sequence[str]
) -> Mapping[str, list[Wanted | None]]:
    """Return for each intent what is right for each case; None where the case is none of it."""
    row_of = {item: row for row, item in enumerate(items)}

    def wanted(found: Sequence[EvalCase]) -> Wanted | None:
        if not found:
            return None
        (one,) = found
        names = {target.item for target in one.case.targets}
        rows = [row_of[name] for name in names if name in row_of]
        return Wanted(
            np.array(rows, np.int64), len(names), np.array(masked_rows(one, row_of), np.int64)
        )

    by_intent = {
        Intent.DEFAULT: [wanted([one]) for one in eval_cases],
        Intent.DISCOVERY: [wanted(discovery_cases([one])) for one in eval_cases],
    }
    return {intent: found for intent, found in by_intent.items() if any(found)}


def _figures(
    candidate: Candidate,
    fill: Floats,
    question: Question,
    right: Mapping[str, Sequence[Wanted | None]],
    order: Ints,
) -> dict[str, float]:
    """Return the mean NDCG@10 of a ranker for each intent."""
    values: dict[str, list[float]] = {intent: [] for intent in right}
    first = 0
    for block in question.blocks(BLOCK):
        scores = filled(candidate.ranker(block), fill)
        for at, row in enumerate(scores):
            for intent, wanted in right.items():
                one = wanted[first + at]
                if one is not None:
                    values[intent].append(ndcg_of(row, one, order))
        first += len(scores)
    return {intent: float(np.mean(found)) for intent, found in values.items()}


def ndcg_of(scores: Floats, wanted: Wanted, order: Ints) -> float:
    """Return the NDCG@10 of one case, equal scores in the `order` (items,) of a permutation."""
    if len(wanted.masked):
        scores = scores.copy()
        scores[wanted.masked] = -np.inf
    of_targets = scores[wanted.rows][:, None]
    ahead = (scores > of_targets).sum(axis=1)
    near = np.flatnonzero(ahead < K)
    if not len(near):
        return 0.0
    ties = (scores == of_targets[near]) & (order < order[wanted.rows[near]][:, None])
    ranks = ahead[near] + ties.sum(axis=1)
    ranks = ranks[(ranks < K) & (of_targets[near, 0] > -np.inf)]
    ideal = (1.0 / np.log2(np.arange(2, min(K, wanted.number) + 2))).sum()
    return float((1.0 / np.log2(ranks + 2.0)).sum() / ideal)


def scores_of(candidate: Candidate, fill: Floats, question: Question) -> Iterator[Floats]:
    """Yield scores (cases, items), block by block of cases; `fill` (items,) orders the unknown."""
    for block in question.blocks(BLOCK):
        yield filled(candidate.ranker(block), fill)


def scores_of_nobody(candidate: Candidate, items: int) -> Floats:
    """Return the scores (items,) for one of whom nothing is known: all that popularity says."""
    none = np.empty(0, np.int64)
    acts = Acts(1, items, none, none, np.empty(0), np.empty(0), np.empty(0, np.bool_))
    scores = candidate.ranker(Question(acts, np.array([-1])))
    return np.asarray(scores[0], np.float64)
