"""Coverage, novelty and overlap of lists, on lists whose figures are known."""

import numpy as np
import pytest

from training.evaluation.catalogue_coverage import catalogue_coverage

pytestmark = pytest.mark.machine


def test_equal_lists_cover_little_and_overlap_wholly() -> None:
    """Everybody sees the same two of four items: half is covered, all is shared."""
    popular = np.array([6.0, 0.0, 0.0, 0.0])
    found = catalogue_coverage(np.array([[0, 1, 2], [1, 0, 3], [0, 1, 2]]), popular, 2)
    assert found.coverage == 0.5
    assert found.overlap == 1.0
    assert found.novelty == pytest.approx(-(np.log2(0.7) + np.log2(0.1)) / 2)


def test_lists_of_their_own_overlap_not_at_all() -> None:
    """Nothing in common is an overlap of 0; an empty place counts nowhere."""
    found = catalogue_coverage(np.array([[0, 1], [2, -1]]), np.ones(4), 2)
    assert found.coverage == 0.75
    assert found.overlap == 0.0
    assert found.novelty == pytest.approx(2.0)
    half = catalogue_coverage(np.array([[0, 1], [0, 2]]), np.ones(4), 2)
    assert half.overlap == 0.5
