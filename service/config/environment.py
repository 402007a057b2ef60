"""What libraries look for in the environment when they are imported, set before they are."""

import os
import sys

# Several threads for one small product cost more than they gain, and starve the other calls.
THREAD_LIMITS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# Where workers leave their figures for their parent; the metrics library looks when it is imported.
WORKER_METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


def pin_threads() -> None:
    """Give numerical libraries one thread; begin anew if they were imported without."""
    missing = {name: value for name, value in THREAD_LIMITS.items() if name not in os.environ}
    os.environ.update(missing)
    if missing and "numpy" in sys.modules:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606
