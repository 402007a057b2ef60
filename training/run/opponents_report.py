"""The opponents in a report: how each was chosen, and whether the release beats its own."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from training.evaluation.bootstrap import Interval
from training.evaluation.slices import ALL, Measurement
from training.opponents.opponents import Opponents
from training.terminal import table

VERDICT_METRIC = "ndcg@10"


def opponents_table(intent: str, opponents: Opponents, measured: Sequence[Measurement]) -> Table:
    """Return how each opponent was chosen before the test, and how it did on the test.

    The one that the release is judged by is marked.
    """
    judge = opponents.judge(intent)
    figures = {measurement.ranker: measurement for measurement in measured}
    rows = [
        (
            f"{name} *" if choice is judge else name,
            choice.settings or "-",
            str(choice.tried) if choice.tried else "-",
            f"{choice.before:.3f}" if choice.tried else "-",
            cell(figures[name].metrics[VERDICT_METRIC]) if name in figures else "",
        )
        for name, choice in opponents.chosen(intent).items()
    ]
    cases = judge.cases if judge is not None else 0
    title = f"Intent {intent}, opponents as chosen by {VERDICT_METRIC} on "
    title += (
        f"{cases:,} cases before the test" if cases else "nothing: no window is before the test"
    )
    columns = ("of how many", f"{VERDICT_METRIC} before", f"{VERDICT_METRIC} on the test")
    return table(title, ("opponent (* judges)", "settings"), columns, rows)


def verdicts(opponents: Opponents, measured: Mapping[str, Sequence[Measurement]]) -> list[str]:
    """Return a sentence for each intent: whether the release beats its opponent, beyond chance."""
    said = []
    for intent, found in measured.items():
        judge = opponents.judge(intent)
        if judge is None:
            said.append(f"Intent {intent}: compared with no opponent that was chosen beforehand.")
            continue
        lead = next(
            measurement.lead[VERDICT_METRIC]
            for measurement in found
            if measurement.ranker == judge.family and measurement.slice == ALL
        )
        name = f"{judge.family} ({judge.settings})" if judge.settings else judge.family
        where = f"by {cell(lead, sign='+')} {VERDICT_METRIC}"
        if lead.low > 0:
            told = f"the release beats its opponent, {name}, {where}: more than chance"
        elif lead.high < 0:
            told = f"the release is worse than its opponent, {name}, {where}: more than chance"
        else:
            told = f"the release and its opponent, {name}, cannot be told apart: {where}"
        said.append(f"Intent {intent}: {told}.")
    return said


def opponents_data(opponents: Opponents, intent: str) -> dict[str, object]:
    """Return how each opponent was chosen for an intent, and which one judges, as plain data."""
    judge = opponents.judge(intent)
    return {
        "judge": None if judge is None else judge.family,
        "chosen": {
            name: {
                "settings": choice.settings,
                "tried": choice.tried,
                "cases": choice.cases,
                "ndcg@10 before": choice.before if choice.tried else None,
            }
            for name, choice in opponents.chosen(intent).items()
        },
    }


def cell(interval: Interval, digits: int = 3, sign: str = "") -> str:
    """Return a figure with its interval."""
    value, low, high = (f"{part:{sign}.{digits}f}" for part in interval)
    return f"{value} [{low}, {high}]"
