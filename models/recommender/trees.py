"""A tree ensemble as arrays, read from LightGBM's text, and its scores by bit masks.

The leaves of a tree are numbered from left to right. A split that sends a candidate to the right
rules out every leaf to its left, so each split is a mask of the leaves that remain; all masks that
apply, and-ed, leave the exit leaf as the lowest bit (QuickScorer, Lucchese et al. 2015). Splits are
the outer loop and candidates the inner one: there is no branch to mispredict, and the compiler
handles eight candidates at once. Scores are LightGBM's raw scores to the last bit: thresholds are
compared as it compares them, and leaf values are summed in double precision in the order of trees.
"""

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.errors import BadRelease
from models.numeric.compiled import compiled

MOST_LEAVES = 32
MOST_TREES = 4_000
MOST_VALUE = 1e6  # of a leaf: 4,000 of them are far below what a score can be
_FULL = np.uint32(0xFFFFFFFF)
# Multiplying a power of two by this de Bruijn number brings a distinct index into the top 5 bits.
_DE_BRUIJN = np.uint32(0x077CB531)
_SLOT = [((1 << bit) * 0x077CB531 & 0xFFFFFFFF) >> 27 for bit in range(32)]
_TREE = re.compile(r"^Tree=\d+$", re.MULTILINE)


class Trees:
    """An ensemble, ready to score; immutable by convention.

    `text` is what it was read from, `features` names the columns it was fitted on, in order. Split
    s of the flat arrays belongs to tree `tree[s]` and asks whether column `column[s]` exceeds
    `threshold[s]`.
    """

    def __init__(
        self,
        text: str,
        features: tuple[str, ...],
        tree: NDArray[np.int32],
        column: NDArray[np.int32],
        threshold: NDArray[np.float32],
        mask: NDArray[np.uint32],
        values: NDArray[np.float64],
    ) -> None:
        self.text = text
        self.features = features
        self.tree = tree
        self.column = column
        self.threshold = threshold
        self.mask = mask
        self.values = values

    @property
    def count(self) -> int:
        """Return the number of trees."""
        return len(self.values)

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the raw score of each row of `matrix` (candidates, features).

        Values are finite, and zero or further from it than 1e-35.
        """
        columns = np.ascontiguousarray(matrix.T)
        return _score(columns, self.tree, self.column, self.threshold, self.mask, self.values)


def read_trees(text: str, name: str = "ranker.txt") -> Trees:
    """Read LightGBM's text of one ensemble without categories and without missing values.

    Raises `BadRelease`, naming the file `name`, for what this cannot score exactly.
    """
    head, *blocks = _TREE.split(text.partition("\nend of trees")[0])
    fields = _fields(head)
    if fields.get("num_tree_per_iteration", "1") != "1" or "average_output" in head:
        raise BadRelease(f"{name}: want one summed ensemble")
    features = tuple(fields.get("feature_names", "").split(" "))
    if not blocks or len(blocks) > MOST_TREES:
        raise BadRelease(f"{name}: {len(blocks)} trees; want 1 to {MOST_TREES}")
    found = []
    for at, block in enumerate(blocks):
        try:
            found.append(_tree(at, _fields(block), len(features)))
        except _NoTree as error:
            raise BadRelease(f"{name}: tree {at}: {error}") from None
    tree, column, threshold, mask = (
        np.concatenate([part[key] for part, _ in found])
        for key in ("tree", "column", "threshold", "mask")
    )
    # Splits on one column stand together, so that its values stay in the nearest cache.
    order = np.lexsort((threshold, tree, column))
    return Trees(
        text,
        features,
        tree[order].astype(np.int32),
        column[order].astype(np.int32),
        threshold[order].astype(np.float32),
        mask[order].astype(np.uint32),
        np.stack([values for _, values in found]),
    )


class _NoTree(ValueError):
    """What a block of the text is instead of a tree that can be scored exactly."""


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition("=") for line in block.splitlines())
    return {name: value for name, equals, value in lines if equals}


def _tree(
    at: int, fields: Mapping[str, str], columns: int
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Return the splits of tree `at` as arrays, and its leaf values by slot."""
    try:
        leaves = int(fields["num_leaves"])
        found = np.array(fields["leaf_value"].split(), np.float64)
        splits = leaves - 1
        column = np.array(fields["split_feature"].split() if splits else [], np.int64)
        exact = np.array(fields["threshold"].split() if splits else [], np.float64)
        kinds = np.array(fields["decision_type"].split() if splits else [], np.int64)
        left = np.array(fields["left_child"].split() if splits else [], np.int64)
        right = np.array(fields["right_child"].split() if splits else [], np.int64)
    except KeyError as error:
        raise _NoTree(f"{error.args[0]}: missing") from None
    except (ValueError, OverflowError):
        raise _NoTree("not a number where one must be") from None
    if not 1 <= leaves <= MOST_LEAVES:
        raise _NoTree(f"want 1 to {MOST_LEAVES} leaves")
    if len(found) != leaves or any(len(a) != splits for a in (column, exact, kinds, left, right)):
        raise _NoTree("lengths disagree")
    if fields.get("num_cat", "0") != "0" or fields.get("is_linear", "0") != "0":
        raise _NoTree("categorical or linear")
    # Bit 0: categorical; bits 2 and 3: what counts as missing, where 0 is nothing.
    if (kinds & 0b1101).any() or not (np.isfinite(exact).all() and np.isfinite(found).all()):
        raise _NoTree("a missing value, or not finite")
    if (np.abs(found) >= MOST_VALUE).any():
        raise _NoTree(f"a leaf value not below {MOST_VALUE:g}")
    if ((column < 0) | (column >= columns)).any():
        raise _NoTree("no such feature")
    masks, order = _masks(left, right)
    values = np.zeros(32)
    for place, leaf in enumerate(order):
        values[_SLOT[place]] = found[leaf]
    parts = {
        "tree": np.full(splits, at, np.float64),
        "column": column.astype(np.float64),
        "threshold": _floor32(exact).astype(np.float64),
        "mask": masks.astype(np.float64),
    }
    return parts, values


def _masks(
    left: NDArray[np.int64], right: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[int]]:
    """Return each split's mask of the leaves not to its left, and the leaves in order.

    A child below zero is the leaf ~child, as LightGBM writes it.
    """
    masks = np.zeros(len(left), np.int64)
    order: list[int] = []
    seen: set[int] = set()

    def walk(node: int) -> None:
        if node < 0:
            order.append(~node)
            return
        if node in seen or node >= len(left):
            raise _NoTree("not a tree")
        seen.add(node)
        first = len(order)
        walk(int(left[node]))
        masks[node] = int(_FULL) & ~((1 << len(order)) - (1 << first))
        walk(int(right[node]))

    walk(0 if len(left) else -1)
    if sorted(order) != list(range(len(left) + 1)):
        raise _NoTree("not a tree")
    return masks, order


def _floor32(exact: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 up to each number: x > it and x > the number agree for float32."""
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and then the largest
        near = exact.astype(np.float32)
    above = near.astype(np.float64) > exact
    near[above] = np.nextafter(near[above], np.float32(-np.inf))
    return near


@compiled(
    "float64[::1](float32[:,::1], int32[::1], int32[::1], float32[::1], uint32[::1],"
    " float64[:,::1])"
)
def _score(
    columns: NDArray[np.float32],
    tree: NDArray[np.int32],
    column: NDArray[np.int32],
    threshold: NDArray[np.float32],
    mask: NDArray[np.uint32],
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    trees, rows = values.shape[0], columns.shape[1]
    left = np.full((trees, rows), _FULL, np.uint32)
    for split in range(len(tree)):
        remains = left[tree[split]]
        x = columns[column[split]]
        limit, kept = threshold[split], mask[split]
        for row in range(rows):
            remains[row] &= kept if x[row] > limit else _FULL
    scores = np.zeros(rows)
    for at in range(trees):
        for row in range(rows):
            bits = left[at, row]
            lowest = np.uint32(bits & (~bits + np.uint32(1)))
            slot = np.uint32(np.uint32(lowest * _DE_BRUIJN) >> np.uint32(27))
            scores[row] += values[at, slot]
    return scores
