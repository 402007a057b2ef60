"""A release is first loaded, and answers its golden requests, in a child process.

What would crash, hang or exhaust a server then does so to the child. It is
`python -m service.decisions.release_trial DIR`: it exits with 0, or prints what is wrong in one
line and exits with 65.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from models.errors import BadRelease
from models.release.golden import check_golden
from models.release.loader import load_release, read_golden, verify_release
from models.release.manifest import GOLDEN, Golden
from models.release.release import Release

TIMEOUT_SECONDS = 600  # only what hangs takes so long; a good release refused serves nobody
NICENESS = 10  # still ends in time where everything else is busy
MAX_OUTPUT_BYTES = 500  # bytes


def try_release(directory: Path, timeout: float = TIMEOUT_SECONDS) -> None:
    """Verify a release and try it in a child process; raises `BadRelease` naming what is wrong."""
    verify_release(directory)
    # -P: nothing in the working directory may pass for a module of ours.
    command = [sys.executable, "-P", "-m", "service.decisions.release_trial", str(directory)]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        # The server's own calls come first, on as few cores as there may be. A child of one that is
        # nicer than that already may not be made less nice.
        present = os.getpriority(os.PRIO_PROCESS, child.pid)
        os.setpriority(os.PRIO_PROCESS, child.pid, max(present, NICENESS))
        try:
            output, _ = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise BadRelease(f"trial load: not done within {timeout:g} s") from None
        finally:
            child.kill()
    if child.returncode == os.EX_DATAERR:
        raise BadRelease(output[:MAX_OUTPUT_BYTES].decode(errors="replace").strip())
    if child.returncode != 0:
        raise BadRelease(f"trial load: failed with exit code {child.returncode}")


def main(directory: Path) -> int:
    """Load the release and check its golden requests; return the exit code."""
    signal.alarm(TIMEOUT_SECONDS)  # a killed server leaves nobody to end what hangs
    try:
        release = load_release(directory)
        for golden in read_golden(directory):
            _ask(release, golden)
    except BadRelease as error:
        print(error)
        return os.EX_DATAERR
    return os.EX_OK


def _ask(release: Release, golden: Golden) -> None:
    try:
        check_golden(release, golden)
    except BadRelease:
        raise
    except Exception as error:
        raise BadRelease(f"{GOLDEN}: cannot be answered: {type(error).__name__}") from None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
