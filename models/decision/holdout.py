"""The holdout: the share of customers who get no marketing offers, by their seed."""

from models.numeric.draws import unit
from models.policy.schema import Policy


def in_holdout(policy: Policy, seed: bytes) -> bool:
    """Tell whether a person is of the holdout; `seed` is theirs."""
    holdout = policy.holdout
    return holdout.share > 0 and unit(seed, f"holdout {holdout.name}") < holdout.share
