"""The scripts by which Redis stores a decision with what it rests on, and counts what is limited.

Each runs as one, on the keys of one slot. As with every write, the answer holds something that was
sent, or says a number twice, so that no turned bit passes for a yes.
"""

from collections.abc import Sequence
from typing import Any

from service.store.database.backend import KEEP_DECISIONS, KEEP_REQUESTS, Commit, SealedDecision
from service.store.redis.event_log import LOG_LINES

# KEYS: customer, log, decision, the request if there is one, and ids of events. Bytes 1 to 8 of a
# customer's blob are its version; none are there when the key is absent. An empty blob is not put.
COMMIT = (
    b"""
local version, blob, decision, keep, request, keep_request, id = unpack(ARGV, 1, 7)
if request ~= '' then
  local known = redis.call('GET', KEYS[4])
  if known then return {known} end
end
if redis.call('GETRANGE', KEYS[1], 1, 8) ~= version then return 0 end
"""
    + LOG_LINES % {b"first": 8, b"log": 2}
    + b"""
if blob ~= '' then redis.call('SET', KEYS[1], blob) end
redis.call('SET', KEYS[3], decision, 'EX', keep)
if request ~= '' then redis.call('SET', KEYS[4], request, 'EX', keep_request) end
return id
"""
)

# KEYS: how many were ever taken, how many came back; both only grow. A database that lost its last
# moments says too little of the first: whoever remembers more says so, and it is raised to that.
TAKE = b"""
local most, limit, at_least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = tonumber(redis.call('GET', KEYS[1]) or 0)
local returned = tonumber(redis.call('GET', KEYS[2]) or 0)
local count = math.max(stored, at_least)
local taken = math.max(0, math.min(most, limit - (count - returned)))
count = count + taken
if count > stored then redis.call('SET', KEYS[1], string.format('%d', count)) end
return {taken, count, taken, count}
"""


def commit_args(commit: Commit, lines: Sequence[bytes | int]) -> tuple[bytes | int, ...]:
    """Return the arguments of `COMMIT`; `lines` are those of `LOG_LINES`."""
    return (
        commit.expected.to_bytes(8, "big") if commit.expected else b"",
        commit.blob or b"",
        commit.decision.blob,
        KEEP_DECISIONS,
        b"" if commit.request is None else commit.request.blob,
        KEEP_REQUESTS,
        commit.decision.id.encode(),
        *lines,
    )


def committed(answer: Any, decision: SealedDecision) -> bool | bytes:
    """Read the answer of `COMMIT`: done, refused, or what the request named before."""
    if answer == decision.id.encode():
        return True
    if answer == 0:
        return False
    known = answer[0] if isinstance(answer, list) and len(answer) == 1 else None
    if not isinstance(known, bytes):
        raise ValueError("neither done nor refused nor known")
    return known


def taken(answer: Any, amount: int) -> tuple[int, int]:
    """Read the answer of `TAKE`, which says twice how many were taken, and how many ever."""
    if not isinstance(answer, list) or len(answer) != 4 or answer[:2] != answer[2:]:
        raise ValueError("not two numbers said twice")
    number, count = int(answer[0]), int(answer[1])
    if not 0 <= number <= min(amount, count):
        raise ValueError("a number that was not asked for")
    return number, count
