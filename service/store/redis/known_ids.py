"""The script by which Redis says which event ids it knows of some identifiers, in one shard.

The identifiers of one customer may have events in the shards of all of them: one call for a shard,
instead of one for each identifier and event in it, is what keeps a customer of many identifiers
from costing the square of their number in round trips.
"""

from collections.abc import Sequence
from typing import Any

from service.store.redis.answers import to_bytes
from service.store.redis.calls import ScriptCall

# Answers with the number of the key, the number of the id, and the content, for each that is known.
KNOWN = b"""
local found = {}
for at, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    for number, content in ipairs(redis.call('HMGET', key, unpack(ARGV))) do
      if content then
        found[#found + 1] = at
        found[#found + 1] = number
        found[#found + 1] = content
      end
    end
  end
end
return found
"""
IDS_MOST = 4_000  # in one call: what Lua unpacks has a limit


def known_calls(keys: Sequence[bytes], ids: Sequence[bytes]) -> list[ScriptCall]:
    """Return the calls of `KNOWN` for all `ids` under all `keys` of a shard."""
    spans = (ids[start : start + IDS_MOST] for start in range(0, len(ids), IDS_MOST))
    return [ScriptCall(tuple(keys), tuple(span)) for span in spans]


def known(calls: Sequence[ScriptCall], answers: Sequence[Any]) -> dict[tuple[bytes, bytes], int]:
    """Read the answers of `calls`: the content hash of each key and id that is known."""
    found: dict[tuple[bytes, bytes], int] = {}
    for call, answer in zip(calls, answers, strict=True):
        for at in range(0, len(answer), 3):
            key, number, content = answer[at : at + 3]
            event = to_bytes(call.args[number - 1])
            found[call.keys[key - 1], event] = int.from_bytes(to_bytes(content), "big")
    return found
