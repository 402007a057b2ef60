"""Cases that give figures of noise, or figures of something else than they say."""

from collections.abc import Iterator
from math import sqrt

from training.checks.checked_split import CheckedSplit
from training.checks.finding import Found

# A share over fewer cases is known to 7 points at best (95 %): few changes of a ranker are larger.
FEW_CASES = 200


def few(split: CheckedSplit) -> Iterator[Found]:
    """Find that there are so few cases that figures would be noise."""
    n = len(split.cases)
    if n < FEW_CASES:
        points = 98 / sqrt(n) if n else 100  # 1.96 standard errors of a share of one half
        yield Found("cases to measure on", n, f"a recall of 0.50 is known to ± {points / 100:.2f}")
