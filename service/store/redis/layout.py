"""Every key of a store in Redis: its pattern, its type, what it holds and when it expires.

No other module builds a key. Of a key Redis Cluster hashes what stands in braces: keys with the
same text there share a slot, and one script may use them together. So a customer, the decisions
about that customer and the log of both are in the slot of one shard. Before the braces stands the
identity of the store, in every key but the one where that identity is read.
"""

import hashlib
import re
import struct
from enum import Enum

from service.store.database.backend import KEEP_DECISIONS, KEEP_REQUESTS
from service.store.database.decision_ids import parse_decision_id, shard_of
from service.store.database.layout_table import kept_for, markdown_table

LAYOUT = 2  # how keys are named; in layout 1, which kept no number, they had no identity

# What an entry of the log, its field `e`, begins with: the identifier, the key of the event id and
# the content hash, so that a duplicate is found without decoding the rest.
LOG_HEADER = struct.Struct(">16sQI")


_IDENTITY = "IDENTITY:"


class RedisKey(Enum):
    """A kind of key: in its pattern, a word in capitals stands for each value it is built from.

    `seconds` is how long a key, or an entry of a stream, is kept; None: for ever.
    """

    def __init__(self, pattern: str, kind: str, holds: str, seconds: int | None = None) -> None:
        self.kind = kind
        self.holds = holds
        self.seconds = seconds
        self.bare = pattern  # without the identity of the store
        self.template = re.sub("[A-Z]+", "%s", pattern)

    @property
    def pattern(self) -> str:
        """Return the pattern, with the identity of the store where there is one."""
        return self.bare if self is RedisKey.SETTINGS else _IDENTITY + self.bare

    CUSTOMER = ("{sSHARD}c:CUSTOMER", "string", "a customer: the profile, or where it moved to")
    LOG = ("{sSHARD}log", "stream", "events, links and unlinks of a shard, in order of arrival")
    EVENT_IDS = (
        "{sSHARD}i:IDENTIFIER",
        "hash",
        "the ids of an identifier's events, by which customer's shard logged them",
    )
    DECISION = ("{sSHARD}d:DECISION", "string", "a decision record, sealed", KEEP_DECISIONS)
    REQUEST = ("{sSHARD}r:REQUEST", "string", "the decision that a request id names", KEEP_REQUESTS)
    ALIVE = ("{sSHARD}alive", "string", "nothing: each health check writes one on each server")
    COUNTER = ("{nCOUNTER}", "string", "how many of a limited volume were ever leased")
    RETURNED = ("{nCOUNTER}returned", "string", "how many of those were given back")
    CHAIN = ("{chain}", "stream", "the chains over the decisions stored", KEEP_DECISIONS)
    CATALOGUE_REVISION = ("{catalogue}revision", "string", "the revision of the catalogue")
    CATALOGUE_REVISIONS = (
        "{catalogue}revisions",
        "sorted set",
        "each item and offer by the revision that changed it last",
    )
    CATALOGUE_ROWS = ("{catalogue}rows", "hash", "each item and offer")
    SETTINGS = (
        "{meta}settings",
        "hash",
        "the number of shards, the key's fingerprint, the format, the layout, the identity",
    )
    CHUNKS = ("{meta}chunks:DATASET", "hash", "how far each chunk of a dataset is loaded")


SETTINGS_KEY = RedisKey.SETTINGS.bare.encode()


class RedisKeys:
    """Names the keys of one store."""

    def __init__(self, identity: str, shards: int) -> None:
        """`identity` of 12 hexadecimal characters; empty in layout 1."""
        self.prefix = f"{identity}:".encode() if identity else b""
        self._shards = shards
        self._templates = {
            key: (self.prefix.decode() if key is not RedisKey.SETTINGS else "") + key.template
            for key in RedisKey
        }
        self._customers = self._templates[RedisKey.CUSTOMER]
        self._event_ids = self._templates[RedisKey.EVENT_IDS]

    def of(self, kind: RedisKey, *values: int | str) -> bytes:
        """Return the key of a kind with these values in the places of the pattern's words."""
        return (self._templates[kind] % values).encode()

    def customer(self, customer: bytes) -> bytes:
        """Return the key of a customer."""
        return (self._customers % (shard_of(customer, self._shards), customer.hex())).encode()

    def log(self, customer: bytes) -> bytes:
        """Return the key of the log of a customer's shard."""
        return self.of(RedisKey.LOG, shard_of(customer, self._shards))

    def event_ids(self, identifier: bytes, customer: bytes) -> bytes:
        """Return the key of the event ids of an identifier that a customer's writes logged."""
        return self.event_ids_in(shard_of(customer, self._shards), identifier)

    def event_ids_in(self, shard: int, identifier: bytes) -> bytes:
        """Return the key of the event ids of an identifier that were logged in a shard."""
        return (self._event_ids % (shard, identifier.hex())).encode()

    def record(self, decision_id: str) -> bytes:
        """Return the key of a decision record; the shard is in its id."""
        place = parse_decision_id(decision_id)
        return self.of(RedisKey.DECISION, 0 if place is None else place[0], decision_id)

    def request(self, owner: bytes, request: bytes) -> bytes:
        """Return the key of a request, named by a hash, in the shard of an owner."""
        return self.of(RedisKey.REQUEST, shard_of(owner, self._shards), request.hex())

    def counter(self, counter: str) -> tuple[bytes, bytes]:
        """Return the keys of a counter, in a slot of its own: what was taken, what came back."""
        name = hashlib.blake2b(counter.encode(), digest_size=16).hexdigest()
        return self.of(RedisKey.COUNTER, name), self.of(RedisKey.RETURNED, name)

    def every(self, kind: RedisKey) -> bytes:
        """Return the glob that all keys of a kind match."""
        return re.sub("%s", "*", self._templates[kind]).encode()


def customer_of(key: bytes) -> bytes:
    """Return the id of the customer whose key that is."""
    return bytes.fromhex(key.partition(b"}c:")[2].decode())


def decision_id_of(key: bytes) -> str:
    """Return the id of the decision whose record is under a key."""
    return key.partition(b"}d:")[2].decode()


def is_of_layout_1(key: bytes) -> bool:
    """Tell whether a key is one that a store of layout 1 has, and layout 2 names otherwise."""
    return _LAYOUT_1.fullmatch(key) is not None and key != SETTINGS_KEY


EVERY_OF_LAYOUT_1 = b"{*"
_LAYOUT_1 = re.compile(
    "|".join(re.sub("[A-Z]+", "[0-9a-f]+", re.escape(key.bare)) for key in RedisKey).encode()
    + rb"|\{meta\}alive"
)


def table() -> str:
    """Return all kinds of keys as a table in Markdown."""
    rows = [(f"`{key.pattern}`", key.kind, key.holds, _kept(key)) for key in RedisKey]
    return markdown_table(("key", "type", "holds", "kept"), rows)


def _kept(key: RedisKey) -> str:
    kept = kept_for(key.seconds)
    return f"each entry {kept}" if key.kind == "stream" and key.seconds else kept
