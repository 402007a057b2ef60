"""What the contract tells of the policies in a registry, and how it says what is wrong with one."""

from throughline.v1 import policy_pb2 as pb

from models.policy.coverage import PolicyCoverage
from models.policy.remarks import remarks
from models.policy.schema import Policy
from models.policy.toml_file import BadPolicy
from models.release.registry import Registry
from service.contract.common_messages import timestamp


def policy_answer(registry: Registry, digest: str) -> pb.GetPolicyResponse:
    """Return the policy of a digest; raises `BadPolicyFile` for one that cannot be read."""
    response = pb.GetPolicyResponse(digest=digest)
    response.json = registry.policy(digest).canonical.decode()
    present = registry.pointer().policies.in_force
    if present is not None and present.id == digest and present.since:
        response.in_force_since.CopyFrom(timestamp(present.since))
    return response


def policies_answer(registry: Registry) -> pb.ListPoliciesResponse:
    """Return the history of what was in force, and all policies of a registry."""
    pointer = registry.pointer()
    response = pb.ListPoliciesResponse()
    for entry in pointer.policies.entries:
        since = timestamp(entry.since) if entry.since else None
        response.history.add(digest=entry.id, since=since)
    for one in registry.policies():
        published = timestamp(one.published) if one.published else None
        response.policies.add(
            digest=one.digest, published=published, in_force=one.digest == pointer.policy
        )
    return response


def mistakes_answer(error: BadPolicy) -> pb.CheckPolicyResponse:
    """Return everything that is wrong with a policy's text."""
    response = pb.CheckPolicyResponse()
    for mistake in error.mistakes:
        response.mistakes.add(line=mistake.line, key=mistake.key, reason=mistake.wanted)
    return response


def checked_answer(policy: Policy, coverage: PolicyCoverage | None) -> pb.CheckPolicyResponse:
    """Return what is worth knowing of a policy that is not wrong, and what it is about."""
    response = pb.CheckPolicyResponse(digest=policy.digest, remarks=remarks(policy))
    if coverage is not None:
        response.offers = coverage.offers
        for part in coverage.parts:
            response.parts.add(
                key=part.key, name=part.name, offers=part.offers, remarks=part.remarks
            )
    return response
