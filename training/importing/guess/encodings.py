"""Which encoding a file of text is of, where it does not say so itself."""

import codecs
from pathlib import Path

from training.importing.files.opened import encoding_of, unpacked

CHUNK = 1 << 20


def guess_encoding(path: Path) -> str | None:
    """Return None where UTF-8 or the mark of the file does, else an encoding that fits its bytes.

    Of one byte a sign, cp1252 (Western Europe) is taken, or latin-1 where there are bytes that it
    does not have: no bytes tell which of them were meant.
    """
    if encoding_of(path, None) != "utf-8":
        return None
    with unpacked(path) as file:
        start = file.read(CHUNK)
    zeros = [start[parity::2].count(0) > len(start) // 8 for parity in (0, 1)]
    if any(zeros):
        return "utf-16-be" if zeros[0] else "utf-16-le"
    fits = [name for name in ("utf-8", "cp1252", "latin-1") if _fits(path, name)]
    return None if fits[0] == "utf-8" else fits[0]


def _fits(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with unpacked(path) as file:
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True
