"""What goes wrong with a program, in one line on stderr and by its exit code.

    64 usage   65 bad data   66 missing input   69 no service   73 cannot write   78 configuration

are the exit codes beside 0 and 1, as in sysexits.h. Under --strict, data of which a check of
`training.checks` warns are bad data.
"""

import errno
import os
import sys
from collections.abc import Callable

from models.errors import BadDataset, BadInput, BadRelease, Held, StoreUnavailable, ThroughlineError

# Packages of an extra, by the extra that brings them.
EXTRAS = {"lightfm": "train", "polars": "train", "scipy": "train", "pyarrow": "data"}

# What a disk says that takes no more, wherever it was written to.
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def run_and_report(program: Callable[[], object]) -> None:
    """Run a program; tell what goes wrong with it in one line, and exit with the code for that."""
    try:
        program()
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"this needs the extra `{extra}`: pip install 'throughline[{extra}]'", 1)
    except ThroughlineError as error:
        _fail(str(error), _code(error))
    except FileNotFoundError as error:
        _fail(f"{error.filename}: not found", os.EX_NOINPUT)
    except OSError as error:
        if error.filename is None and error.errno not in DISK_FAULTS:
            raise
        _fail(f"{error.filename or 'disk'}: {error.strerror}", os.EX_CANTCREAT)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _code(error: ThroughlineError) -> int:
    if isinstance(error, BadInput | BadDataset | BadRelease | Held):
        return os.EX_DATAERR
    if isinstance(error, StoreUnavailable):
        return os.EX_UNAVAILABLE
    # What an error of a later layer knows better, it says.
    return int(getattr(error, "exit_code", 1))


def _fail(text: str, code: int) -> None:
    print(f"throughline: {text}", file=sys.stderr)
    raise SystemExit(code)
