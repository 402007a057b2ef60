"""How a script of Redis logs events: each id of an identifier once, or nothing at all."""

from collections.abc import Sequence

from models.domain.events import event_key
from service.store.database.backend import LogLine
from service.store.redis.layout import LOG_HEADER, RedisKeys

# Of each line: the place in KEYS of the ids of its identifier (0: no event), and the entry. An id
# that is known ends the script before anything was written.
LOG_LINES = b"""
for i = %(first)d, #ARGV, 2 do
  local ids = KEYS[tonumber(ARGV[i])]
  if ids and redis.call('HEXISTS', ids, string.sub(ARGV[i + 1], 17, 24)) == 1 then return 0 end
end
for i = %(first)d, #ARGV, 2 do
  redis.call('XADD', KEYS[%(log)d], '*', 'e', ARGV[i + 1])
  local ids = KEYS[tonumber(ARGV[i])]
  if ids then
    redis.call('HSET', ids, string.sub(ARGV[i + 1], 17, 24), string.sub(ARGV[i + 1], 25, 28))
  end
end
"""


def log_args(
    keys: list[bytes], lines: Sequence[LogLine], customer: bytes, names: RedisKeys
) -> list[bytes | int]:
    """Return the arguments of `LOG_LINES`; the keys that it needs are appended to `keys`."""
    places: dict[bytes, int] = {}
    args: list[bytes | int] = []
    for line in lines:
        place = 0
        if line.event_id:
            place = places.get(line.identifier, 0)
            if not place:
                keys.append(names.event_ids(line.identifier, customer))
                place = places[line.identifier] = len(keys)
        header = LOG_HEADER.pack(line.identifier, event_key(line.event_id), line.content)
        args += (place, header + line.blob)
    return args
