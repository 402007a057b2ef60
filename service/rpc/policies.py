"""PolicyService: shows, checks and publishes policies, and goes back."""

from datetime import UTC, datetime

import grpc
from throughline.v1 import policy_pb2 as pb
from throughline.v1.policy_pb2_grpc import PolicyServiceServicer

from models.policy.coverage import OfferView, cover
from models.policy.schema import Policy
from models.policy.toml_file import BadPolicy, read_policy
from models.ranking.offer_index import OfferIndex
from service.contract import limits
from service.contract.errors import NotFound
from service.contract.policy_messages import (
    checked_answer,
    mistakes_answer,
    policies_answer,
    policy_answer,
)
from service.contract.validation import Check
from service.rpc.dependencies import Dependencies


class PolicyServicer(PolicyServiceServicer):
    """Answers every call about policies."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._active_release = dependencies.active_release
        self._names = dependencies.names
        self._clock = dependencies.clock

    def GetPolicy(  # noqa: N802
        self, request: pb.GetPolicyRequest, context: grpc.ServicerContext
    ) -> pb.GetPolicyResponse:
        """Return a policy by its digest, or the one in force."""
        check = Check()
        prefix = check.id("digest", request.digest, required=False)
        if prefix and len(prefix) < limits.DIGEST_DIGITS:
            check.add_violation("digest", f"too short; min {limits.DIGEST_DIGITS}")
        check.raise_if_invalid()
        registry = self._active_release.registry
        if not prefix:
            return policy_answer(registry, registry.pointer().policy)
        if not any(one.digest.startswith(prefix) for one in registry.policies()):
            raise NotFound("digest: not found")
        return policy_answer(registry, registry.resolve_policy(prefix))

    def ListPolicies(  # noqa: N802
        self, request: pb.ListPoliciesRequest, context: grpc.ServicerContext
    ) -> pb.ListPoliciesResponse:
        """List what was in force and what there is, latest first."""
        return policies_answer(self._active_release.registry)

    def CheckPolicy(  # noqa: N802
        self, request: pb.CheckPolicyRequest, context: grpc.ServicerContext
    ) -> pb.CheckPolicyResponse:
        """Say everything that is wrong with a policy; of one that is right, what it is about."""
        try:
            policy = self._read(request.toml)
        except BadPolicy as error:
            return mistakes_answer(error)
        index = self._active_release.snapshot.index
        if index is None:
            return checked_answer(policy, None)
        now = datetime.fromtimestamp(self._clock.now() / 1e6, UTC)
        return checked_answer(policy, cover(policy, _view(index), now))

    def PublishPolicy(  # noqa: N802
        self, request: pb.PublishPolicyRequest, context: grpc.ServicerContext
    ) -> pb.PublishPolicyResponse:
        """Try a policy and put it in force."""
        change = self._active_release.publish(self._read(request.toml))
        return pb.PublishPolicyResponse(
            digest=change.pointer.policy,
            previous_digest=change.previous,
            release_id=change.pointer.release,
        )

    def RollbackPolicy(  # noqa: N802
        self, request: pb.RollbackPolicyRequest, context: grpc.ServicerContext
    ) -> pb.RollbackPolicyResponse:
        """Put the policy in force again that was before this one."""
        change = self._active_release.rollback_policy()
        return pb.RollbackPolicyResponse(
            digest=change.pointer.policy,
            previous_digest=change.previous,
            release_id=change.pointer.release,
        )

    def _read(self, toml: str) -> Policy:
        """Return the policy of a text; raises `BadPolicy`, `InvalidRequest` for its size."""
        check = Check()
        check.document("toml", toml, limits.POLICY_BYTES)
        check.raise_if_invalid()
        return read_policy(toml, self._names.channels, self._names.event_types)


def _view(index: OfferIndex) -> OfferView:
    """Return the offers of an index, to count a policy over."""
    return OfferView(
        here=index.availability.here,
        selections=index.selections,
        terms=index.terms,
        row_of=index.rows.row_of,
        rows=index.rows.entries(index.catalogue),
    )
