"""Decision ids: by the id alone it is known in which shard a record is, and of when."""

import itertools
import os
import secrets
import struct

_ID = struct.Struct(">HQ4s3s")  # shard, time in microseconds, worker, counter

_worker = secrets.token_bytes(4)
_counter = itertools.count()


def _new_worker() -> None:
    global _worker
    _worker = secrets.token_bytes(4)


os.register_at_fork(after_in_child=_new_worker)


def shard_of(customer: bytes, shards: int) -> int:
    """Return the shard of a customer: its id is a hash already."""
    return int.from_bytes(customer[:4], "big") % shards


def new_decision_id(shards: int, customer: bytes, now: int) -> str:
    """Return a new decision id; `now` in microseconds."""
    count = (next(_counter) & 0xFFFFFF).to_bytes(3, "big")
    packed = _ID.pack(shard_of(customer, shards), now, _worker, count)
    return packed.hex()


def parse_decision_id(decision_id: str) -> tuple[int, int] | None:
    """Return shard and time (microseconds) of a decision by its id; None if it is no such id."""
    try:
        packed = bytes.fromhex(decision_id)
        shard, time, _, _ = _ID.unpack(packed)
    except (ValueError, struct.error):
        return None
    return (shard, time) if packed.hex() == decision_id else None
