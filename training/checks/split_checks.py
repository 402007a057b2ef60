"""The checks of what is held out, declared: one row each, in the order in which they are told."""

from training.checks import cases, foreknowledge
from training.checks.checked_split import CheckedSplit
from training.checks.finding import NOTE, WARNING, Check

_LATER = "leave it out of the mapping, or take it as it was before what is held out"

SPLIT_CHECKS: tuple[Check[CheckedSplit], ...] = (
    Check(
        "case-answered",
        WARNING,
        cases.answered,
        "cut histories before the moment: `before` in the truth, or take what is held out away",
    ),
    Check(
        "case-customer-unknown",
        WARNING,
        cases.unknown_customers,
        "write customers as namespace:value, with values as in the dataset",
    ),
    Check("case-item-unknown", WARNING, cases.unknown_items, "write items as the dataset does"),
    Check("feature-foreknows", WARNING, foreknowledge.features, _LATER),
    Check("attribute-foreknows", WARNING, foreknowledge.attributes, _LATER),
    Check("attribute-names-target", WARNING, foreknowledge.naming_attributes, _LATER),
    Check(
        "case-few",
        NOTE,
        cases.few,
        "hold out more: a longer `split.test_days`, or more customers",
    ),
    Check(
        "case-repeated",
        NOTE,
        cases.repeated,
        "read the figures of the intent discovery for what is new to a customer",
    ),
)
