"""The checks of what is held out, declared: one row each, in the order in which they are told."""

from training.checks import cases
from training.checks.checked_split import CheckedSplit
from training.checks.finding import NOTE, Check

SPLIT_CHECKS: tuple[Check[CheckedSplit], ...] = (
    Check(
        "few-cases",
        NOTE,
        cases.few,
        "hold out more: a longer `split.test_days`, or more customers",
    ),
)
