"""The rankers that a release is compared with: baselines, stage one, the release in force."""

from collections.abc import Mapping, Sequence

from models.release.release import Release
from training.evaluation import baselines
from training.evaluation.baselines import Scores
from training.evaluation.content_similarity import content_scores
from training.evaluation.incumbent import IN_FORCE, lists_over
from training.evaluation.ranked_lists import release_lists, score_lists
from training.evaluation.strong_baselines import ease_scores, ials_scores
from training.log.event_log import Log
from training.progress import Steps
from training.retrieval.fit import StageOneSettings
from training.splits.eval_cases import EvalCase, RankedLists

KS = (10, 20, 3)  # lengths of lists that are measured
STAGE_ONE, CONTENT, POPULARITY = "stage one alone", "content similarity", "popularity"


def compared_releases(
    release: Release,
    stage_one: Release,
    incumbent: Release | None,
    eval_cases: Sequence[EvalCase],
    intent: str,
    has_second_stage: bool,
    steps: Steps,
) -> dict[str, RankedLists]:
    """Return the lists of the release in force, and those of stage one alone.

    The former are left out without an `incumbent`, the latter where `release` is stage one itself.
    """
    lists = {}
    if incumbent is not None:
        step = steps(f"{intent}: ranking by the release in force")
        lists[IN_FORCE] = lists_over(incumbent, release.items, eval_cases, max(KS), step, intent)
    if has_second_stage:
        step = steps(f"{intent}: ranking by stage one")
        lists[STAGE_ONE] = release_lists(stage_one, eval_cases, max(KS), step, intent)
    return lists


def baselines_by_intent(
    cases_by_intent: Mapping[str, Sequence[EvalCase]],
    log: Log,
    targets: Sequence[str],
    items: Sequence[str],
    settings: StageOneSettings,
    seed: int,
    steps: Steps,
) -> dict[str, dict[str, RankedLists]]:
    """Return the lists of every baseline for the cases of each intent; each is fitted once.

    Baselines learn from `log`. `settings` of stage one are those of LightFM by customer, too.
    """
    all_cases = [eval_case for eval_cases in cases_by_intent.values() for eval_case in eval_cases]
    if not all_cases:
        return {intent: {} for intent in cases_by_intent}
    lists = _baselines(log, targets, items, all_cases, settings, seed, steps)
    lists_of, first = {}, 0
    for intent, eval_cases in cases_by_intent.items():
        lists_of[intent] = {
            name: rows[first : first + len(eval_cases)] for name, rows in lists.items()
        }
        first += len(eval_cases)
    return lists_of


def _baselines(
    log: Log,
    targets: Sequence[str],
    items: Sequence[str],
    eval_cases: Sequence[EvalCase],
    settings: StageOneSettings,
    seed: int,
    steps: Steps,
) -> dict[str, RankedLists]:
    steps("baselines")(0, 1)
    counts = baselines.count_for_baselines(log, targets, items)
    scores: dict[str, Scores | None] = {
        POPULARITY: baselines.popularity_scores(counts, eval_cases),
        "own counts": baselines.own_count_scores(counts, eval_cases, log),
        "item-kNN": baselines.item_knn_scores(counts, eval_cases, log),
        CONTENT: content_scores(counts, eval_cases, log),
        "EASE": ease_scores(counts, eval_cases, log),
        "iALS": ials_scores(counts, eval_cases, seed),
        "LightFM by customer": baselines.by_customer_scores(
            counts, eval_cases, settings, seed, steps("LightFM by customer")
        ),
    }
    return lists_of_scores(scores, eval_cases, counts, seed)


def lists_of_scores(
    scores: Mapping[str, Scores | None],
    eval_cases: Sequence[EvalCase],
    counts: baselines.BaselineCounts,
    seed: int,
) -> dict[str, RankedLists]:
    """Return the lists of each ranker that has scores, by its name."""
    return {
        name: score_lists(blocks, eval_cases, counts.row_of, max(KS), seed)
        for name, blocks in scores.items()
        if blocks is not None
    }
