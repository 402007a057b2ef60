"""What a store in Redis keeps of itself, under names: fields of the one key that never changes."""

from collections.abc import Sequence
from typing import Any

from service.store.redis.answers import to_bytes, to_done
from service.store.redis.calls import RedisCalls, ScriptCall
from service.store.redis.layout import SETTINGS_KEY

# KEYS: the settings. ARGV: which, what it must be (empty: nothing), what it becomes.
_REPLACE = b"""
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return ARGV[3]
"""
_COUNT_UP = b"return redis.call('HINCRBY', KEYS[1], ARGV[1], 1)"


class RedisSettings:
    """The settings of a store."""

    def __init__(self, calls: RedisCalls) -> None:
        self._calls = calls

    def setting(self, key: str) -> str | None:
        """Return the value kept under `key`, None where there is none."""
        return self._calls.command(("HGET", SETTINGS_KEY, key), text_or_none)

    def put_if_absent(self, key: str, value: str) -> str:
        """Return the value kept under `key`, which is `value` if there was none."""
        found = self.setting(key)
        if found is not None:
            return found  # a Redis that is full, or a replica, says that much
        self._calls.command(("HSETNX", SETTINGS_KEY, key, value), int)
        return self._calls.command(
            ("HGET", SETTINGS_KEY, key), lambda found: to_bytes(found).decode()
        )

    def put_setting(self, key: str, value: str) -> None:
        """Keep a value under `key`, whatever was there."""
        self._calls.command(("HSET", SETTINGS_KEY, key, value), int)

    def settings(self, keys: Sequence[str]) -> list[str | None]:
        """Return the values kept under `keys`, None where there is none; all of one moment."""
        return self._calls.command(
            ("HMGET", SETTINGS_KEY, *keys), lambda found: [text_or_none(one) for one in found]
        )

    def replace_setting(self, key: str, before: str | None, after: str) -> bool:
        """Keep `after` under `key` where `before` was kept (None: nothing); tell whether it was."""
        args = (key.encode(), (before or "").encode(), after.encode())
        call = ScriptCall((SETTINGS_KEY,), args)
        return self._calls.run(_REPLACE, [call], lambda answers: to_done(answers[0], args[2]))

    def count_up(self, key: str) -> int:
        """Raise the number kept under `key`, from 0, by 1, and return it."""
        # By a script, as all that counts is written: where none may run, this tells.
        call = ScriptCall((SETTINGS_KEY,), (key.encode(),))
        return self._calls.run(_COUNT_UP, [call], lambda answers: int(answers[0]))


def text_or_none(answer: Any) -> str | None:
    """Return an answer that is text, or None where there is nothing."""
    return None if answer is None else to_bytes(answer).decode()
