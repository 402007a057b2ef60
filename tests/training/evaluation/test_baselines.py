"""The baselines that a release is compared with."""

from scipy import sparse

from training.evaluation.baselines import _neighbours


def test_no_interaction_has_no_neighbours() -> None:
    """Where no event counts as an interaction, as in a log of clicks alone, no item is near one."""
    similar = _neighbours(sparse.csr_matrix((4, 3)))
    assert similar.shape == (3, 3)
    assert similar.nnz == 0
