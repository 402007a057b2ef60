"""What a process of several workers is given by their parent, and a lone one has by itself."""

from typing import NamedTuple


class SharedByWorkers(NamedTuple):
    """What the workers of one server have in common, as their parent has it.

    The port, which the parent holds; the offset of a clock that is set (microseconds); whether
    others decide, so that one that cannot would only take calls from them; and the directory, a
    path, for what one makes and all map.
    """

    port: int
    clock_offset: int | None
    others_decide: bool
    directory: str
