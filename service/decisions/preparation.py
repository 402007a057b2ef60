"""A release or a policy is made ready beside what serves: loaded, indexed, and decided with once.

Whatever goes wrong meanwhile is the fault of what was to be served, and an error that says so.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain.decisions import Request
from models.domain.profile import Profile
from models.errors import BadRelease
from models.policy.schema import Policy
from models.ranking.offer_index import OfferIndex
from models.release.loader import load_release
from models.release.registry import BadPolicyFile
from models.release.release import Release
from service.config.logs import log_fault
from service.decisions.release_trial import try_release

T = TypeVar("T")


def try_and_load(directory: Path) -> Release:
    """Return a release that was tried in a child process; raises `BadRelease`."""
    if not directory.is_dir():
        raise BadRelease("release: not in the registry")
    try_release(directory)
    return load_release(directory)


def place_offers(release: Release, make: Callable[[Release], OfferIndex]) -> OfferIndex:
    """Return the index that `make` makes of a release; raises `BadRelease`."""
    return _prepared("release", lambda: make(release))


def warm_release(index: OfferIndex, policy: Policy, now: int) -> None:
    """Decide by a release once; raises `BadRelease` where that cannot be done."""
    _prepared("release", lambda: _warm(index, policy, now))


def warm_policy(index: OfferIndex, policy: Policy, now: int) -> None:
    """Decide by a policy once; raises `BadPolicyFile` where that cannot be done."""
    try:
        _prepared("policy", lambda: _warm(index, policy, now))
    except BadRelease as error:
        raise BadPolicyFile(str(error)) from None


def _warm(index: OfferIndex, policy: Policy, now: int) -> None:
    """Decide once for nobody, so that no caller waits for what is computed on first use."""
    decide(Profile(customer=b""), SharedInputs(index, policy), Request(channel="web"), now)


def _prepared(what: str, make: Callable[[], T]) -> T:
    """Return what `make` returns; whatever it raises, `what` is a `BadRelease`."""
    try:
        return make()
    except Exception as error:
        reference = secrets.token_hex(8)
        log_fault(error, reference, what)
        raise BadRelease(f"{what}: cannot decide; ref={reference}") from None
