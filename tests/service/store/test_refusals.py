"""An answer of Redis that is an error keeps its name, and tells nothing else."""

from typing import Any

import pytest
from redis._parsers.base import BaseParser

from service.store.database.backend import RefusedByDatabase, WritesRefused
from service.store.redis.refusals import refusal

ANSWERS = {
    "OOM command not allowed when used memory > 'maxmemory'.": "OOM",
    "OOM command not allowed. script: 9f, on @user_script:8.": "OOM",
    "ERR Error running script (call to f_9f): @user_script:8: -OOM command not allowed": "OOM",
    "READONLY You can't write against a read only replica.": "READONLY",
    "ERR Error running script (call to f_9f): @user_script: 3: -READONLY You can't": "READONLY",
    "MISCONF Redis is configured to save RDB snapshots, but it's unable to": "MISCONF",
    "NOREPLICAS Not enough good replicas to write.": "NOREPLICAS",
    "BUSY Redis is busy running a script.": "BUSY",
    "CLUSTERDOWN The cluster is down": "CLUSTERDOWN",
    "NOPERM this user has no permissions to run the 'evalsha' command": "NOPERM, EVALSHA",
    "NOPERM User app has no permissions to run the 'config|get' command": "NOPERM, CONFIG|GET",
    "NOPERM this user has no permissions to access one of the keys used": "NOPERM",
    "NOAUTH Authentication required.": "NOAUTH",
    "WRONGPASS invalid username-password pair or user is disabled.": "WRONGPASS",
    "NOSCRIPT No matching script.": "NOSCRIPT",
    "ERR wrong number of arguments for 'get' command": "ERR",
    "what is that": "ERR",
    "": "ERR",
}
NO_WRITES = ("OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM, EVALSHA")


@pytest.mark.parametrize(("answer", "told"), ANSWERS.items(), ids=ANSWERS)
def test_a_refusal_keeps_its_name(answer: str, told: str) -> None:
    """The code is told, with a command that is not permitted; where reads go on, that too."""
    parser: Any = BaseParser
    error = refusal("redis at h", parser.parse_error(answer))
    assert str(error) == f"redis at h: {told}"
    assert type(error) is (WritesRefused if told in NO_WRITES else RefusedByDatabase)
