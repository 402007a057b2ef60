"""The releases that a release is compared with: its own stage one, and the release in force."""

from collections.abc import Sequence

from models.release.release import Release
from training.evaluation.incumbent import IN_FORCE, lists_over
from training.evaluation.ranked_lists import release_lists
from training.progress import Steps
from training.splits.eval_cases import EvalCase, RankedLists

KS = (10, 20, 3)  # lengths of lists that are measured
STAGE_ONE = "stage one alone"


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
