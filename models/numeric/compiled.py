"""Compiles a function to machine code, with types that are stated and arithmetic that is exact.

No fast-math: a sum of floats is taken in the order it is written, on every machine. The code is
made for a level of processors, never for the very one that makes it, so that it can be made on one
machine and delivered to others. It is kept in `NUMBA_CACHE_DIR` or beside the source. Where neither
can be written, as in an image, what lies beside the source is used; what does not is made again at
each start.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import binding
from numba.core.caching import InTreeCacheLocator

F = TypeVar("F", bound=Callable[..., Any])

# What makes up x86-64-v3, the level of servers since 2013; `generic` runs anywhere.
_V3 = ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")


class ReadOnlyLocator(InTreeCacheLocator):
    """Finds what was compiled beforehand, beside a source where nothing can be written."""

    def ensure_cache_path(self) -> None:
        """Raise OSError, as numba wants it, where nothing of this source lies."""
        source = Path(self._py_file)
        if not any((source.parent / "__pycache__").glob(f"{source.stem}.*.nbi")):
            raise FileNotFoundError(source)


def _set_up() -> None:
    config: Any = numba.config
    if config.CPU_NAME is None:
        has = binding.get_host_cpu_features()
        config.CPU_NAME = "x86-64-v3" if all(has.get(name) for name in _V3) else "generic"
        config.CPU_FEATURES = ""
    ours = f"{__name__}.{ReadOnlyLocator.__name__}"
    config.CACHE_LOCATOR_CLASSES = (
        f"UserProvidedCacheLocator,InTreeCacheLocator,{ours},UserWideCacheLocator"
    )


_set_up()


def compiled(signature: str) -> Callable[[F], F]:
    """Return a decorator that compiles for `signature`, in numba's notation, when it is applied.

    What is compiled lets other threads run, and does not check bounds.
    """

    def compile_(function: F) -> F:
        try:
            made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
        except RuntimeError:  # nowhere to keep it, and nothing kept
            made = numba.njit(nogil=True, error_model="numpy")(function)
        try:
            made.compile(signature)
        except OSError:
            if not made.signatures:
                raise
            # It was made, and could not be kept.
        made.disable_compile()
        return cast(F, made)

    return compile_
