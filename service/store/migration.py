"""Brings a store from its format to that of today, one step after the other.

A step may be interrupted at any moment and is then begun again; the number of the format is written
when the step is done.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import NamedTuple

from models.codec import FORMAT
from models.domain.event_types import EVENT_TYPES, EventType
from models.errors import StoreUnavailable
from service.store.database.backend import Backend, LayoutReport
from service.store.database.format import FORMAT_SETTING, format_of
from service.store.database.location import directory_of
from service.store.opening import open_database, wall_clock
from service.store.rebuilding import Progress, StepOptions, StepReport, rebuild_from_log
from service.store.sqlite.lock import lock_directory

# What takes a store from a format to the next one.
STEPS: Mapping[int, Callable[[Backend, StepOptions], StepReport]] = {2: rebuild_from_log}


class MigrationReport(NamedTuple):
    """From which format to which a store was brought, or would be, and what each step did.

    `layout` tells what keys were renamed; None: none had to be.
    """

    before: int
    after: int
    steps: tuple[StepReport, ...]
    layout: LayoutReport | None = None


def migrate_store(
    url: str,
    *,
    key: bytes,
    timeout: float,
    event_types: Mapping[str, EventType] = EVENT_TYPES,
    clock: Callable[[], int] = wall_clock,
    dry_run: bool = False,
    progress: Progress = lambda what, done: None,
) -> MigrationReport:
    """Bring the store at `url` to the format of today; nothing where it has that.

    Over an embedded store no server may run, unless nothing is to be written; over Redis servers of
    this version may, which are barred while keys are renamed. `timeout` is in seconds, `clock`
    gives microseconds, `event_types` are all that the log has. Raises as `open_store` does, and as
    the steps do; it may then be called again.
    """
    with closing(open_database(url, key=key, timeout=timeout)) as backend:
        before = format_of(backend)
        steps = []
        with nullcontext() if dry_run or before == FORMAT else _alone(url):
            for number in range(before, FORMAT):
                options = StepOptions(event_types, clock, dry_run, progress)
                steps.append(STEPS[number](backend, options))
                if dry_run:
                    break  # the next step begins with what this one leaves
                backend.put_setting(FORMAT_SETTING, str(number + 1))
        layout = None
        if backend.former_layout:
            layout = backend.bring_layout_on(lambda done: progress("keys", done), dry_run)
        return MigrationReport(before, FORMAT, tuple(steps), layout)


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Have no server use an embedded store while the block runs."""
    directory = directory_of(url)
    if directory is None:
        yield
        return
    try:
        lock = lock_directory(directory)
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error}; stop it, then migrate") from None
    with lock:
        yield
