"""The checks of a dataset, declared: one row each, in the order in which they are told."""

from training.checks import identifiers, times
from training.checks.checked_dataset import CheckedDataset
from training.checks.finding import Check

_LEFT_OUT = "leave these rows out by `require`, or read another column"

DATASET_CHECKS: tuple[Check[CheckedDataset], ...] = (
    Check("time-unit", "warning", times.wrong_unit, "set `format` of `time` in the mapping"),
    Check("time-too-early", "warning", times.too_early, _LEFT_OUT),
    Check("time-in-future", "warning", times.in_future, _LEFT_OUT),
    Check("time-far-off", "warning", times.far_off, _LEFT_OUT),
    Check(
        "id-nothing",
        "warning",
        identifiers.nothing,
        "leave these rows out by `require`: they are no one customer or item",
    ),
    Check(
        "id-float",
        "warning",
        identifiers.floats,
        "export the column as text or whole numbers: other tables and channels have no .0",
    ),
    Check(
        "id-rounded",
        "warning",
        identifiers.scientific,
        "export again, not by a spreadsheet: digits are lost",
    ),
    Check(
        "id-email",
        "warning",
        identifiers.emails,
        "hash normalised addresses into the namespace email_sha256",
    ),
    Check(
        "id-alike",
        "warning",
        identifiers.alike,
        "write each id in one form, or link the identifiers",
    ),
)
