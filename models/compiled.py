"""Compiles a function to machine code, with types that are stated and arithmetic that is exact.

No fast-math: a sum of floats is taken in the order it is written, on every machine. The code is
kept beside the source or in `NUMBA_CACHE_DIR`; where neither can be written it is made again at
each start.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(signature: str) -> Callable[[F], F]:
    """Return a decorator that compiles for `signature`, in numba's notation, when it is applied.

    What is compiled lets other threads run, and does not check bounds.
    """

    def compile_(function: F) -> F:
        try:
            made = numba.njit(signature, cache=True, nogil=True, error_model="numpy")(function)
        except RuntimeError:  # nowhere to keep it
            made = numba.njit(signature, nogil=True, error_model="numpy")(function)
        return cast(F, made)

    return compile_
