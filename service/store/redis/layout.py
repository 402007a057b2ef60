"""Every key of a store in Redis: its pattern, its type, what it holds and when it expires.

No other module builds a key. Of a key Redis Cluster hashes what stands in braces: keys with the
same text there share a slot, and one script may use them together. So a customer, the decisions
about that customer and the log of both are in the slot of one shard.
"""

import hashlib
import re
import struct
from enum import Enum

from service.store.database.backend import KEEP_DECISIONS, KEEP_REQUESTS
from service.store.database.decision_ids import parse_decision_id, shard_of
from service.store.database.layout_table import kept_for, markdown_table

# What an entry of the log, its field `e`, begins with: the identifier, the key of the event id and
# the content hash, so that a duplicate is found without decoding the rest.
LOG_HEADER = struct.Struct(">16sQI")


class RedisKey(Enum):
    """A kind of key: in its pattern, a word in capitals stands for each value it is built from.

    `seconds` is how long a key, or an entry of a stream, is kept; None: for ever.
    """

    def __init__(self, pattern: str, kind: str, holds: str, seconds: int | None = None) -> None:
        self.pattern = pattern
        self.kind = kind
        self.holds = holds
        self.seconds = seconds
        self._template = re.sub("[A-Z]+", "%s", pattern)

    CUSTOMER = ("{sSHARD}c:CUSTOMER", "string", "a customer: the profile, or where it moved to")
    LOG = ("{sSHARD}log", "stream", "events, links and unlinks of a shard, in order of arrival")
    EVENT_IDS = (
        "{sSHARD}i:IDENTIFIER",
        "hash",
        "the ids of an identifier's events, by which customer's shard logged them",
    )
    DECISION = ("{sSHARD}d:DECISION", "string", "a decision record, sealed", KEEP_DECISIONS)
    REQUEST = ("{sSHARD}r:REQUEST", "string", "the decision that a request id names", KEEP_REQUESTS)
    COUNTER = ("{nCOUNTER}", "string", "how many of a limited volume are leased")
    CHAIN = ("{chain}", "stream", "the chains over the decisions stored", KEEP_DECISIONS)
    CATALOGUE_REVISION = ("{catalogue}revision", "string", "the revision of the catalogue")
    CATALOGUE_REVISIONS = (
        "{catalogue}revisions",
        "sorted set",
        "each item and offer by the revision that changed it last",
    )
    CATALOGUE_ROWS = ("{catalogue}rows", "hash", "each item and offer")
    SETTINGS = ("{meta}settings", "hash", "the number of shards, the key's fingerprint, the format")
    ALIVE = ("{meta}alive", "string", "nothing: each health check writes it")
    CHUNKS = ("{meta}chunks:DATASET", "hash", "how far each chunk of a dataset is loaded")

    def key(self, *values: int | str) -> bytes:
        """Return the key with these values in the places of the pattern's words."""
        return (self._template % values).encode()


def customer_key(customer: bytes, shards: int) -> bytes:
    """Return the key of a customer, in a store of that many shards."""
    return RedisKey.CUSTOMER.key(shard_of(customer, shards), customer.hex())


def customer_of(key: bytes) -> bytes:
    """Return the id of the customer whose key that is."""
    return bytes.fromhex(key.partition(b"c:")[2].decode())


def log_key(customer: bytes, shards: int) -> bytes:
    """Return the key of the log of a customer's shard."""
    return RedisKey.LOG.key(shard_of(customer, shards))


def event_ids_key(identifier: bytes, customer: bytes, shards: int) -> bytes:
    """Return the key of the event ids of an identifier that a customer's writes logged."""
    return RedisKey.EVENT_IDS.key(shard_of(customer, shards), identifier.hex())


def event_ids_key_of(entry: bytes, shard: int) -> bytes:
    """Return the key of the event ids among which is that of an entry of a shard's log."""
    return RedisKey.EVENT_IDS.key(shard, entry[:16].hex())


def record_key(decision_id: str) -> bytes:
    """Return the key of a decision record; the shard is in its id."""
    place = parse_decision_id(decision_id)
    return RedisKey.DECISION.key(0 if place is None else place[0], decision_id)


def decision_id_of(key: bytes) -> str:
    """Return the id of the decision whose record is under a key."""
    return key.partition(b"d:")[2].decode()


def request_key(owner: bytes, request: bytes, shards: int) -> bytes:
    """Return the key of a request, named by a hash, in the shard of an identifier's customer."""
    return RedisKey.REQUEST.key(shard_of(owner, shards), request.hex())


def counter_key(counter: str) -> bytes:
    """Return the key of a counter, in a slot of its own."""
    return RedisKey.COUNTER.key(hashlib.blake2b(counter.encode(), digest_size=16).hexdigest())


def table() -> str:
    """Return all kinds of keys as a table in Markdown."""
    rows = [(f"`{key.pattern}`", key.kind, key.holds, _kept(key)) for key in RedisKey]
    return markdown_table(("key", "type", "holds", "kept"), rows)


def _kept(key: RedisKey) -> str:
    kept = kept_for(key.seconds)
    return f"each entry {kept}" if key.kind == "stream" and key.seconds else kept
