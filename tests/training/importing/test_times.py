"""What times look like, and what they then are."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.importing.times import moments

NOON = datetime(2025, 1, 2, 12, tzinfo=UTC)


def read(*texts: str | None, format: str = "guess") -> list[datetime | None]:
    """Return what each text is, local times as if in UTC."""
    found = moments(pl.Series(texts, dtype=pl.String()), [format], 0, "key")
    local = found.local.dt.replace_time_zone("UTC")
    return found.instant.fill_null(local).to_list()


@pytest.mark.parametrize(
    "text",
    [
        "2025-01-02 12:00",
        "2025-01-02T12:00:00.000Z",
        "2025/01/02 12:00:00 UTC",
        "2025-01-02T17:00:00+05:00",
        "2025-01-02 04:30:00-0730",
        "02.01.2025 12:00",
        "2.1.25 12:00",
        "Jan 2, 2025 12:00 PM",
        "02-Jan-2025 12:00:00",
        "Thu, 02 Jan 2025 12:00:00 GMT",
        "20250102120000",
        "20250102T120000",
        "1735819200",
        "1735819200.0",
        "1735819200000",
        "1735819200000000",
        "1735819200000000000",
    ],
)
def test_what_a_time_looks_like_tells_what_it_is(text: str) -> None:
    """ISO, dotted, named months and epochs of any unit are read without a word, side by side."""
    assert read("2024-05-06", text, None, "noon")[1:] == [NOON, None, None]


def test_a_day_or_a_month_is_never_chosen() -> None:
    """3/4/2025 is read only where the column shows, or the mapping says, which comes first."""
    third_of_april = datetime(2025, 4, 3, tzinfo=UTC)
    fourth_of_march = datetime(2025, 3, 4, tzinfo=UTC)
    assert read("3/4/2025") == [None]
    assert read("3/4/2025", "30/4/2025")[0] == third_of_april
    assert read("3/4/2025", "4/30/2025")[0] == fourth_of_march
    assert read("3/4/2025", "30/4/2025", "4/30/2025")[0] is None
    assert read("3/4/2025", format="day_first") == [third_of_april]
    assert read("3/4/2025", format="month_first") == [fourth_of_march]
    assert read("4/4/2025") == [datetime(2025, 4, 4, tzinfo=UTC)]


def test_formats_are_tried_in_turn() -> None:
    """Of several declared formats, the first that reads a value counts."""
    texts = pl.Series(["2025-01-02 12:00", "12h00 02/01/2025", "1735819200"])
    found = moments(texts, ["iso", "%Hh%M %d/%m/%Y", "epoch_seconds"], 0, "key")
    local = found.local.dt.replace_time_zone("UTC")
    assert found.instant.fill_null(local).to_list() == [NOON] * 3


moments_of_any_zone = st.builds(
    lambda moment, minutes: moment.replace(tzinfo=timezone(timedelta(minutes=minutes))),
    st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)


@given(st.lists(moments_of_any_zone, min_size=1, max_size=5))
def test_an_instant_is_itself_in_every_spelling(moments_: list[datetime]) -> None:
    """ISO with any offset, and microseconds since 1970, are the instant to the microsecond."""
    epochs = [
        str((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
        for moment in moments_
    ]
    assert read(*(moment.isoformat() for moment in moments_)) == moments_
    assert read(*epochs, format="epoch_microseconds") == moments_
