"""What a store in Redis says of itself: its identity, its shards, and how its keys are named.

This stands under the one key whose name never changes. While `throughline migrate` names the others
anew, all servers are barred: none names a key of layout 1 unless it has looked here a moment ago.
"""

import secrets
import time
from typing import Any, NamedTuple

from models.errors import StoreUnavailable
from service.store.database.backend import SHARDS
from service.store.database.format import (
    FORMAT_SETTING,
    IDENTITY_BYTES,
    IDENTITY_SETTING,
    MIGRATE,
    check_format,
    check_layout,
)
from service.store.redis.answers import to_bytes
from service.store.redis.calls import RedisCalls, ScriptCall
from service.store.redis.layout import LAYOUT, SETTINGS_KEY, RedisKeys
from service.store.redis.rights import check_rights

LOOK_SECONDS = 2.0  # that a server of layout 1 goes by what it saw here
MIGRATING_SETTING = "migrating"
EVENT_IDS_SETTING, INDEXED = "event_ids", "indexed"  # and what it says once all ids are there
_LAYOUT_SETTING, _SHARDS_SETTING = "layout", "shards"
_FIELDS = (FORMAT_SETTING, _SHARDS_SETTING, _LAYOUT_SETTING, IDENTITY_SETTING, MIGRATING_SETTING)

# A store has shards from its first moment on; so only a new one has none, and gets all at once.
_MAKE = b"""
if redis.call('HEXISTS', KEYS[1], 'shards') == 0 then
  redis.call('HSET', KEYS[1], 'shards', ARGV[1], 'layout', ARGV[2], 'event_ids', ARGV[3])
end
redis.call('HSETNX', KEYS[1], 'identity', ARGV[4])
redis.call('HSETNX', KEYS[1], 'event_ids', 'partly')
return {'made'}
"""
_LAYOUT_DONE = b"""
redis.call('HSET', KEYS[1], 'layout', ARGV[1])
redis.call('HDEL', KEYS[1], 'migrating')
return {'done'}
"""


class _Seen(NamedTuple):
    """What stood in the header at a moment of the monotonic clock."""

    at: float
    former: bool
    barred: bool
    keys: RedisKeys


class StoreHeader:
    """The settings by which a store in Redis is known."""

    def __init__(self, calls: RedisCalls, make: bool = True, identity: str = "") -> None:
        """Raises `UnknownStoreFormat`, and `BadInput` where the user lacks a right.

        `make`: where there is no store, one is made, under `identity` if one is given.
        """
        self._calls = calls
        found = self._found()
        check_format(found[FORMAT_SETTING])
        check_layout(found[_LAYOUT_SETTING], LAYOUT)
        identity = found[IDENTITY_SETTING] or identity or secrets.token_hex(IDENTITY_BYTES)
        former = found[_SHARDS_SETTING] is not None and found[_LAYOUT_SETTING] is None
        check_rights(calls, RedisKeys("" if former else identity, SHARDS), SHARDS)
        if make and (found[IDENTITY_SETTING] is None or found[_SHARDS_SETTING] is None):
            self._make(identity)
            found = self._found()
        self.identity = found[IDENTITY_SETTING] or ""
        self.shards = int(found[_SHARDS_SETTING] or SHARDS)
        self._seen = self._judged(found)

    @property
    def former(self) -> bool:
        """Tell whether the keys are named as in layout 1."""
        return self._seen.former

    @property
    def keys(self) -> RedisKeys:
        """Return the names of the keys; raises `StoreUnavailable` while they change."""
        seen = self._seen
        if not seen.former:
            return seen.keys
        if time.monotonic() >= seen.at + LOOK_SECONDS:
            seen = self.look()
        if seen.barred:
            raise StoreUnavailable(
                f"store: being migrated; if `{MIGRATE}` was interrupted, run it again"
            )
        return seen.keys

    @property
    def keys_to_check(self) -> RedisKeys:
        """Return the same for a health check, which is no part of what is renamed."""
        return self.keys_anew() if self._seen.barred else self._seen.keys

    def look(self) -> _Seen:
        """Look at the header again; raises `StoreUnavailable`."""
        if self._seen.former:
            self._seen = self._judged(self._found())
        return self._seen

    def bar(self) -> None:
        """Bar all servers from the keys of layout 1."""
        self._calls.command(("HSET", SETTINGS_KEY, MIGRATING_SETTING, "1"), int)

    def say_renamed(self) -> None:
        """Say that all keys are named as in the layout of today, and let the servers in."""
        call = ScriptCall((SETTINGS_KEY,), (LAYOUT,))
        self._calls.run(_LAYOUT_DONE, [call], lambda answers: _word(answers[0], b"done"))
        self.look()

    def keys_anew(self) -> RedisKeys:
        """Return the names that the keys have in the layout of today."""
        return RedisKeys(self.identity, self.shards)

    def _make(self, identity: str) -> None:
        args = (SHARDS, LAYOUT, INDEXED.encode(), identity.encode())
        call = ScriptCall((SETTINGS_KEY,), args)
        self._calls.run(_MAKE, [call], lambda answers: _word(answers[0], b"made"))

    def _found(self) -> dict[str, str | None]:
        return self._calls.command(("HMGET", SETTINGS_KEY, *_FIELDS), _settings)

    def _judged(self, found: dict[str, str | None]) -> _Seen:
        # A database with neither holds no store yet.
        former = found[_SHARDS_SETTING] is not None and found[_LAYOUT_SETTING] is None
        keys = RedisKeys("" if former else self.identity, self.shards)
        return _Seen(time.monotonic(), former, found[MIGRATING_SETTING] is not None, keys)


def _settings(answer: Any) -> dict[str, str | None]:
    values = [None if value is None else to_bytes(value).decode() for value in answer]
    return dict(zip(_FIELDS, values, strict=True))


def _word(answer: Any, word: bytes) -> None:
    if answer != [word]:
        raise ValueError("not done")
