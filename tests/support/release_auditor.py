"""A child of the tests that loads releases and tells every act of the interpreter meanwhile.

An audit hook cannot be taken out again, so it gets a process of its own: the first release named is
good and is loaded before the hook is there, for all imports to be done.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from models.errors import BadRelease
from models.release.golden import check_golden
from models.release.loader import load_release, read_golden

# Everything by which data could turn into code, or reach outside.
FORBIDDEN = (
    *("pickle.", "marshal.", "exec", "compile", "import", "code.", "ctypes.", "subprocess."),
    *("os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "pty.", "socket."),
    *("os.rename", "os.remove", "os.mkdir", "os.chmod", "shutil.", "urllib.", "webbrowser."),
)


def main() -> None:
    """Load what the arguments name and print {"events": ..., "refused": ...}."""
    good, *others = (Path(argument) for argument in sys.argv[1:])
    assert refusal(good) == ""
    refusal(others[0])
    events: Counter[str] = Counter()

    def hook(event: str, arguments: object) -> None:
        if event.startswith(FORBIDDEN):
            events[event] += 1

    sys.addaudithook(hook)
    refused = [refusal(directory) for directory in others]
    found = dict(events)
    compile("1", "hook", "eval")
    json.dump({"events": found, "refused": refused, "hooked": events["compile"] > 0}, sys.stdout)


def refusal(directory: Path) -> str:
    """Do with a release all that its trial does; return why it is refused, "" if it is not."""
    try:
        release = load_release(directory)
        for golden in read_golden(directory):
            check_golden(release, golden)
    except BadRelease as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main()
