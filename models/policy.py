"""The built-in policy: the business side of a decision, with a digest that names it.

Policy files come later; until then one constant policy decides, and its digest stands in every
decision like that of any other.
"""

import hashlib
from functools import lru_cache

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision obeys. Cool-downs are in days; candidates in offers."""

    purchase_cool_down: int = 30
    decline_cool_down: int = 30
    candidates: int = 200
    set_candidates: int = 50

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the policy's canonical JSON, in hex."""
        return _digest(self)


@lru_cache(64)
def _digest(policy: Policy) -> str:
    return hashlib.sha256(msgspec.json.encode(policy, order="deterministic")).hexdigest()


BUILT_IN = Policy()
