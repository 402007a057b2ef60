"""The step from layout 1 to 2: every key gets the identity of its store before its name.

RENAME leaves the slot, the value and the time to live as they are. It may be killed at any moment
and run again: until it has come to its end, the servers are barred from the keys.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from service.store.database.backend import LayoutReport
from service.store.redis.calls import RedisCalls, ScriptCall
from service.store.redis.layout import EVERY_OF_LAYOUT_1, is_of_layout_1
from service.store.redis.store_header import LOOK_SECONDS, StoreHeader
from service.store.redis.streams import PAGE

# After the bar is up: until each server has looked, and what it had sent before is done.
WAIT_SECONDS = LOOK_SECONDS + 3.0

# ARGV: 1 for what a health check wrote, which takes the place of another such.
# A key may be gone meanwhile, by its time to live. The answer holds what was asked, and how it is.
_RENAME = b"""
if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], 1} end
if ARGV[1] == '1' then redis.call('RENAME', KEYS[1], KEYS[2]) return {KEYS[1], 1} end
return {KEYS[1], redis.call('RENAMENX', KEYS[1], KEYS[2])}
"""


def count_of_layout_1(calls: RedisCalls) -> int:
    """Return how many keys would be renamed."""
    pages = calls.scan(EVERY_OF_LAYOUT_1, 10 * PAGE)
    return len({key for page in pages for key in page if is_of_layout_1(key)})


def rename_keys(
    calls: RedisCalls, header: StoreHeader, progress: Callable[[int], None]
) -> LayoutReport:
    """Bar the servers, rename all keys, and let the servers in; raises `StoreUnavailable`.

    `progress` is told how many keys were renamed. A key that is there by both names stays so.
    """
    header.bar()
    time.sleep(WAIT_SECONDS)
    prefix = header.keys_anew().prefix
    renamed, left = 0, set[bytes]()
    for page in calls.scan(EVERY_OF_LAYOUT_1, 10 * PAGE):
        keys = sorted({key for key in page if is_of_layout_1(key)} - left)
        for start in range(0, len(keys), PAGE):
            names = keys[start : start + PAGE]
            done = calls.run(
                _RENAME,
                [_call(name, prefix) for name in names],
                partial(_all_renamed, names),
            )
            left.update(name for name, one in zip(names, done, strict=True) if not one)
            renamed += sum(done)
            progress(renamed)
    header.say_renamed()
    return LayoutReport(renamed, tuple(sorted(name.decode() for name in left)))


def _call(name: bytes, prefix: bytes) -> ScriptCall:
    return ScriptCall((name, prefix + name), (int(name.endswith(b"alive")),))


def _all_renamed(names: Sequence[bytes], answers: Sequence[Any]) -> list[bool]:
    return [_renamed(*pair) for pair in zip(answers, names, strict=True)]


def _renamed(answer: object, name: bytes) -> bool:
    if answer not in ([name, 1], [name, 0]):
        raise ValueError("neither renamed nor there already")
    return answer == [name, 1]
