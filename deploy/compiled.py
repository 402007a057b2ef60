"""Prints how much compiled code this installation brought; exits with 1 if any had to be made."""

import importlib
import pkgutil
import sys

from numba.core.dispatcher import Dispatcher

import models

modules = [
    importlib.import_module(one.name)
    for one in pkgutil.walk_packages(models.__path__, prefix="models.")
]
functions = {
    value for one in modules for value in vars(one).values() if isinstance(value, Dispatcher)
}
found = sum(sum(function.stats.cache_hits.values()) for function in functions)
print(f"{found} of {len(functions)} compiled functions were found")
sys.exit(not functions or found < len(functions))
