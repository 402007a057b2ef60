"""The collector: it does not walk what lives long."""

import gc
from collections.abc import Iterator

import pytest

from service.decisions.collector import SETTLED_ROWS, LongLived, loading


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave nothing set aside behind."""
    yield
    gc.unfreeze()


def test_what_was_loaded_is_set_aside() -> None:
    """While much is loaded no collection runs, and afterwards none looks at it."""
    with loading():
        assert not gc.isenabled()
        kept = [[number] for number in range(100_000)]
    assert gc.isenabled()
    assert len(gc.get_objects(generation=2)) < len(kept)
    assert gc.get_freeze_count() > len(kept)


def test_a_load_that_fails_leaves_the_collector_at_work() -> None:
    """Whatever a load raises, collections run again."""
    with pytest.raises(ValueError, match="damaged"), loading():
        raise ValueError("damaged")
    assert gc.isenabled()


def test_rows_that_came_later_are_set_aside_in_their_turn() -> None:
    """A few new rows are left to the collector; of more than 5,000 it sees none any more."""
    long_lived = LongLived()
    long_lived.add(SETTLED_ROWS)
    assert not gc.get_freeze_count()
    kept = [[number] for number in range(20_000)]
    long_lived.add(1)
    assert gc.get_freeze_count() > len(kept)
    long_lived.add(SETTLED_ROWS)
    more = [[number] for number in range(20_000)]
    assert len(gc.get_objects()) > len(more)
