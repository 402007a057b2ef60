"""What holds of the checks whatever the dataset."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.checked_data import checked
from training.checks.dataset_checks import DATASET_CHECKS
from training.checks.finding import run

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IDS = st.sampled_from(["a", "A ", "Ａ", "1.0", "1e+05", "NULL", "x@y.example", "7", "[b]"])
ROWS = st.fixed_dictionaries(
    {
        "event_id": st.text("0123456789", min_size=1, max_size=6),
        "namespace": st.sampled_from(["loyalty", "cookie"]),
        "identifier": IDS,
        "type": st.sampled_from(["view", "purchase", "sent", "return"]),
        "channel": st.sampled_from(["web", "store"]),
        "time": st.none()
        | st.integers(-60_000, 2_500_000).map(lambda days: EPOCH + timedelta(days=days))
        | st.integers(0, 400).map(lambda days: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days)),
        "sequence": st.none() | st.integers(0, 3),
        "item": st.none() | st.just("") | IDS,
    }
)
ITEMS = st.lists(IDS, unique=True, max_size=4)


@settings(max_examples=40)
@given(st.lists(ROWS, max_size=40), ITEMS, st.sampled_from(["UTC", "Europe/Vienna"]))
def test_no_dataset_breaks_a_check(rows: list[dict[str, Any]], items: list[str], zone: str) -> None:
    """Whatever is in the tables, checks count and tell, in any order of rows the same."""
    described = [{"item": item, "features": None} for item in items]
    found = run(DATASET_CHECKS, checked(rows, "mixed", zone, items=described))
    for one in found:
        assert one.count > 0
        assert one.what
        assert one.example
    again = run(DATASET_CHECKS, checked(rows[::-1], "mixed", zone, items=described[::-1]))
    assert [(one.check, one.what, one.count) for one in found] == [
        (one.check, one.what, one.count) for one in again
    ]
