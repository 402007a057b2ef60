"""What the user of a Redis must be permitted: asked for at the start, and named where it lacks.

Redis judges a command when it is queued in a transaction, so one that is thrown away asks for every
right, by the keys of the store, and does nothing.
"""

from collections.abc import Sequence
from typing import Any

from redis.exceptions import NoPermissionError

from service.store.redis.node import Command, RedisNode
from service.store.redis.refusals import lacking

_WHATEVER = "0" * 40


def missing_rights(node: RedisNode, key: bytes) -> list[str]:
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
    answers: list[Any] = node.exchange([("MULTI",), *asked, ("DISCARD",)])
    if isinstance(answers[0], NoPermissionError):
        return ["MULTI"]
    found = dict.fromkeys(
        lacking(answer) or f"the keys of the store, such as {key.decode()}"
        for answer in answers
        if isinstance(answer, NoPermissionError)
    )
    return list(found)
