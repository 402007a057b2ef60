"""The opponents of a release: every family as it was chosen, fitted on all before the test.

A new family is one file and one entry of `FAMILIES`. The one that a release is judged by is named
before the test: the one that won on the window before.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from training.evaluation.ranked_lists import score_lists
from training.log.event_log import Log
from training.opponents.acts import Floats
from training.opponents.choice import (
    Choice,
    Window,
    choose,
    past_of,
    question_of,
    scores_of,
    scores_of_nobody,
    unchosen,
)
from training.opponents.content import CONTENT
from training.opponents.ease import EASE
from training.opponents.family import Candidate, Family, Past
from training.opponents.ials import IALS
from training.opponents.item_knn import ITEM_KNN
from training.opponents.lightfm import LIGHTFM
from training.opponents.own_counts import OWN, OWN_AND_RECENT
from training.opponents.popularity import POPULARITY, RECENT
from training.opponents.random_walk import WALK
from training.progress import Steps
from training.retrieval.fit import StageOneSettings
from training.splits.eval_cases import EvalCase, RankedLists

FAMILIES: Sequence[Family] = (
    *(POPULARITY, RECENT, OWN, OWN_AND_RECENT, ITEM_KNN, WALK, CONTENT, IALS, EASE, LIGHTFM),
)
Baselines = Literal["none", "quick", "all"]
DEFAULT = "default"


def families_of(baselines: Baselines) -> list[Family]:
    """Return the families that are asked for; `quick` leaves out those that take long."""
    if baselines == "none":
        return []
    return [family for family in FAMILIES if baselines == "all" or not family.slow]


@dataclass(frozen=True)
class Opponents:
    """Fitted opponents, by intent and by the name of their family.

    `choices` say how each was chosen; an intent without its own has that of the default.
    """

    log: Log
    targets: Sequence[str]
    items: Sequence[str]
    seed: int
    past: Past
    choices: Mapping[str, Mapping[str, Choice]]
    fitted: Mapping[tuple[str, str], Candidate]

    def chosen(self, intent: str) -> Mapping[str, Choice]:
        """Return the choices for an intent."""
        return self.choices.get(intent) or self.choices.get(DEFAULT, {})

    def judge(self, intent: str) -> Choice | None:
        """Return the opponent that a release is judged by: the best on the window before."""
        tried = [choice for choice in self.chosen(intent).values() if choice.tried]
        return max(tried, key=lambda choice: choice.before, default=None)

    def scores(self, name: str, intent: str, eval_cases: Sequence[EvalCase]) -> Iterator[Floats]:
        """Return the scores of an opponent, block by block of cases; none without that opponent."""
        choice = self.chosen(intent).get(name)
        if choice is None:
            return iter(())
        question = question_of(self.log, eval_cases, self.targets, self.items)
        return scores_of(self._of(choice), self._fill, question)

    def lists(
        self, intent: str, eval_cases: Sequence[EvalCase], limit: int, steps: Steps, *names: str
    ) -> dict[str, RankedLists]:
        """Return the lists (cases, limit) of the opponents that `names` name, of all without."""
        row_of = {item: row for row, item in enumerate(self.items)}
        question = question_of(self.log, eval_cases, self.targets, self.items)
        found = {}
        for name, choice in self.chosen(intent).items():
            if not names or name in names:
                steps(f"{intent}: {name}")(0, 1)
                blocks = scores_of(self._of(choice), self._fill, question)
                found[name] = score_lists(blocks, eval_cases, row_of, limit, self.seed)
        return found

    def _of(self, choice: Choice) -> Candidate:
        return self.fitted[choice.family, choice.settings]

    @cached_property
    def _fill(self) -> Floats:
        chosen = self.chosen(DEFAULT)
        popular = self._of(chosen.get(RECENT.name) or chosen[POPULARITY.name])
        return scores_of_nobody(popular, len(self.items))


def make_opponents(
    log: Log,
    window: Window | None,
    targets: Sequence[str],
    items: Sequence[str],
    families: Sequence[Family],
    stage_one: StageOneSettings,
    seed: int,
    steps: Steps,
) -> Opponents:
    """Choose each family on `window`, and fit what was chosen on `log`, all before the test.

    Without a window each has its first settings, and none is there to be judged by.
    """
    past = past_of(log, targets, items, stage_one, seed)
    choices = {}
    if window is not None and window.eval_cases and families:
        choices = choose(window, targets, items, families, stage_one, seed, steps)
    if not choices:
        choices = {DEFAULT: unchosen(past, families)}
    return Opponents(
        log, targets, items, seed, past, choices, _fitted(past, families, choices, steps)
    )


def _fitted(
    past: Past,
    families: Sequence[Family],
    choices: Mapping[str, Mapping[str, Choice]],
    steps: Steps,
) -> dict[tuple[str, str], Candidate]:
    found = {}
    by_name = {family.name: family for family in families}
    wanted = {(c.family, c.settings) for chosen in choices.values() for c in chosen.values()}
    for name, settings in sorted(wanted):
        steps(f"opponents: {name} again")(0, 1)
        candidate = next(by_name[name].rankers(past, settings), None)
        if candidate is not None:
            found[name, settings] = candidate
    return found
