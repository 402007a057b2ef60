"""The checks of a dataset, declared: one row each, in the order in which they are told."""

from training.checks import feeds, identifiers, instants, items, repeats, shares, times
from training.checks.checked_dataset import CheckedDataset
from training.checks.finding import NOTE, WARNING, Check

_LEFT_OUT = "leave these rows out by `where`, or read another column"

DATASET_CHECKS: tuple[Check[CheckedDataset], ...] = (
    Check("time-unit", WARNING, times.wrong_unit, "set `format` of `time` in the mapping"),
    Check("time-too-early", WARNING, times.too_early, _LEFT_OUT),
    Check("time-in-future", WARNING, times.in_future, _LEFT_OUT),
    Check("time-far-off", WARNING, times.far_off, _LEFT_OUT),
    Check(
        "time-crowd",
        WARNING,
        instants.crowds,
        "take the time of what happened, not that of a migration or an export",
    ),
    Check(
        "time-day-only",
        NOTE,
        instants.days_only,
        "give the time of day: else it comes before all else of that day",
    ),
    Check("feed-stops", WARNING, feeds.stops, "bring in what is missing, or end the log there"),
    Check("feed-gap", NOTE, feeds.gaps, "bring in what is missing, unless it was shut"),
    Check(
        "id-nothing",
        WARNING,
        identifiers.nothing,
        "leave these rows out by `where`: they are no one customer or item",
    ),
    Check(
        "id-float",
        WARNING,
        identifiers.floats,
        "export as text or whole numbers: elsewhere the same id has no .0",
    ),
    Check(
        "id-rounded",
        WARNING,
        identifiers.scientific,
        "export again, not by a spreadsheet: digits are lost",
    ),
    Check(
        "id-email",
        WARNING,
        identifiers.emails,
        "hash normalised addresses into the namespace email_sha256",
    ),
    Check("id-alike", WARNING, identifiers.alike, "write each id in one form"),
    Check(
        "customer-share",
        WARNING,
        shares.customers,
        "leave it out by `where` if it is a robot, a till or a dealer",
    ),
    Check(
        "item-share",
        WARNING,
        shares.items,
        "leave it out by `where` if it is no article: postage, a bag, a deposit",
    ),
    Check(
        "repeated-rows", WARNING, repeats.rows, "name by `once` the columns that tell events apart"
    ),
    Check("twins", WARNING, repeats.twins, "take one of the two feeds, or link the identifiers"),
    Check(
        "item-unknown", WARNING, items.unknown, "write ids in both files alike, or add the items"
    ),
    Check("item-undescribed", WARNING, items.undescribed, "add the features of these items"),
    Check("item-never-seen", NOTE, items.never_seen, "nothing: of these, features alone are known"),
    Check(
        "item-no-article",
        NOTE,
        items.no_articles,
        "leave it out by `where` if it is no article: postage, a fee, a correction",
    ),
)
