"""What the user of a Redis must be permitted: asked for at the start, and named where it lacks.

Redis judges a command when it is queued in a transaction, so one that is thrown away asks for every
right, by the keys of the store, and does nothing.
"""

from collections.abc import Sequence

from redis.exceptions import NoPermissionError

from models.errors import BadInput
from service.store.redis.calls import RedisCalls
from service.store.redis.layout import RedisKey, RedisKeys
from service.store.redis.node import Command, RedisNode
from service.store.redis.refusals import lacking

_WHATEVER = "0" * 40


def check_rights(calls: RedisCalls, keys: RedisKeys, shards: int) -> None:
    """Raise `BadInput` where the user lacks a right on a server, by name."""
    for node, key in first_keys(calls, keys, shards).items():
        missing = missing_rights(calls, node, key)
        if missing:
            raise BadInput(
                "store",
                f"its user lacks {', '.join(missing)} on {node.name}; permit it with ACL SETUSER",
            )


def first_keys(calls: RedisCalls, keys: RedisKeys, shards: int) -> dict[RedisNode, bytes]:
    """Return a key of each server that has one: that of its first shard."""
    found: dict[RedisNode, bytes] = {}
    for shard in range(shards):
        key = keys.of(RedisKey.ALIVE, shard)
        found.setdefault(calls.node_of(key), key)
        if len(found) == len(calls.nodes):
            break
    return found


def missing_rights(calls: RedisCalls, node: RedisNode, key: bytes) -> list[str]:
    """Return the commands that the user lacks, in capitals; `key` is one of the node's.

    Raises `StoreUnavailable`.
    """
    asked: Sequence[Command] = (
        ("GETRANGE", key, 0, -1),
        ("GET", key),
        ("SET", key, b""),
        ("INCR", key),
        ("INCRBY", key, 1),
        ("EXISTS", key),
        ("RENAME", key, key),
        ("RENAMENX", key, key),
        ("XADD", key, "*", "e", b""),
        ("XRANGE", key, "-", "+"),
        ("XREVRANGE", key, "-", "+"),
        ("HGET", key, "a"),
        ("HSET", key, "a", b""),
        ("HMGET", key, "a"),
        ("HSETNX", key, "a", b""),
        ("HEXISTS", key, "a"),
        ("HDEL", key, "a"),
        ("ZADD", key, 0, "a"),
        ("ZRANGEBYSCORE", key, 0, 0),
        ("EVALSHA", _WHATEVER, 1, key),
        ("EVAL", "return 0", 1, key),
        ("SCAN", 0),
        ("INFO", "server"),
        ("WAIT", 0, 1),
    )
    answers = calls.ask_node(node, [("MULTI",), *asked, ("DISCARD",)])
    if isinstance(answers[0], NoPermissionError):
        return ["MULTI"]
    found = dict.fromkeys(
        lacking(answer) or f"the keys of the store, such as {key.decode()}"
        for answer in answers
        if isinstance(answer, NoPermissionError)
    )
    return list(found)
