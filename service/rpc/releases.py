"""ReleaseService: shows the registry and moves its pointer."""

from contextlib import suppress

import grpc
from throughline.v1 import release_pb2 as pb
from throughline.v1.release_pb2_grpc import ReleaseServiceServicer

from models.errors import BadRelease
from service.contract import limits
from service.contract.release_messages import fill_release
from service.contract.validation import Check
from service.rpc.dependencies import Dependencies


class ReleaseServicer(ReleaseServiceServicer):
    """Answers `ListReleases`, `PromoteRelease` and `RollbackRelease`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._active_release = dependencies.active_release

    def ListReleases(  # noqa: N802
        self, request: pb.ListReleasesRequest, context: grpc.ServicerContext
    ) -> pb.ListReleasesResponse:
        """List the registry's releases, latest first."""
        response = pb.ListReleasesResponse()
        for entry in self._active_release.registry.entries():
            release = response.releases.add(
                in_force=entry.release == self._active_release.release_id
            )
            # A damaged one is listed by its id; promoting it says what is wrong.
            with suppress(BadRelease):
                fill_release(release, self._active_release.registry, entry)
        return response

    def PromoteRelease(  # noqa: N802
        self, request: pb.PromoteReleaseRequest, context: grpc.ServicerContext
    ) -> pb.PromoteReleaseResponse:
        """Try a release and put it in force."""
        check = Check()
        prefix = check.id("release_id", request.release_id)
        if prefix and len(prefix) < limits.RELEASE_DIGITS:
            check.add_violation("release_id", f"too short; min {limits.RELEASE_DIGITS}")
        override = check.text("override", request.override, limits.REASON_BYTES)
        check.raise_if_invalid()
        promoted = self._active_release.promote(prefix, override)
        return pb.PromoteReleaseResponse(
            release_id=promoted.pointer.release,
            previous_release_id=promoted.previous,
            policy_digest=promoted.pointer.policy,
        )

    def RollbackRelease(  # noqa: N802
        self, request: pb.RollbackReleaseRequest, context: grpc.ServicerContext
    ) -> pb.RollbackReleaseResponse:
        """Put the release in force again that was before this one."""
        promoted = self._active_release.rollback()
        return pb.RollbackReleaseResponse(
            release_id=promoted.pointer.release,
            previous_release_id=promoted.previous,
            policy_digest=promoted.pointer.policy,
        )
