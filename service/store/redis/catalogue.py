"""The scripts by which Redis keeps the catalogue: rows by name, and the revision of each."""

from collections.abc import Sequence
from typing import Any

from service.store.database.backend import CatalogueRow
from service.store.redis.calls import ScriptCall
from service.store.redis.layout import RedisKey, RedisKeys

# Without a revision expected, ARGV[1] is empty.
PUT = b"""
if ARGV[1] ~= '' and ARGV[1] ~= (redis.call('GET', KEYS[1]) or '0') then return 0 end
local revision = redis.call('INCR', KEYS[1])
for i = 2, #ARGV, 2 do
  redis.call('ZADD', KEYS[2], revision, ARGV[i])
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
return revision
"""

# A page ends where a revision does, so that none is ever seen in part.
CHANGES = b"""
local since, size = '(' .. ARGV[1], tonumber(ARGV[2])
local page = redis.call('ZRANGEBYSCORE', KEYS[2], since, '+inf', 'WITHSCORES', 'LIMIT', 0, size)
local reply = {tonumber(redis.call('GET', KEYS[1]) or 0)}
if #page == 2 * size then reply[1] = tonumber(page[#page]) end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], since, reply[1])) do
  reply[#reply + 1] = redis.call('HGET', KEYS[3], name)
end
return reply
"""


def put_call(names: RedisKeys, rows: Sequence[CatalogueRow], expected: int | None) -> ScriptCall:
    """Return the call of `PUT`, which answers with the new revision; 0: not `expected`."""
    expected_revision = b"" if expected is None else b"%d" % expected
    args = (arg for row in rows for arg in (f"{row.kind}:{row.id}".encode(), row.blob))
    return ScriptCall(_keys(names), (expected_revision, *args))


def changes_call(names: RedisKeys, since: int, size: int) -> ScriptCall:
    """Return the call of `CHANGES` for a page of `size` rows."""
    return ScriptCall(_keys(names), (since, size))


def changes(answers: Sequence[Any]) -> tuple[int, list[bytes]]:
    """Read the answer of `CHANGES`: a revision, and rows."""
    revision, *blobs = answers[0]
    if not all(isinstance(blob, bytes) for blob in blobs):
        raise TypeError("not bytes")
    return int(revision), blobs


def _keys(names: RedisKeys) -> tuple[bytes, ...]:
    return (
        names.of(RedisKey.CATALOGUE_REVISION),
        names.of(RedisKey.CATALOGUE_REVISIONS),
        names.of(RedisKey.CATALOGUE_ROWS),
    )
