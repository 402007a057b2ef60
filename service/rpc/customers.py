"""CustomerService: shows what is known of a customer; links and unlinks identifiers."""

import grpc
from throughline.v1 import common_pb2
from throughline.v1 import customer_pb2 as pb
from throughline.v1.customer_pb2_grpc import CustomerServiceServicer

from models.domain.identifiers import Identifier
from models.domain.input.reasons import Refusal
from service.contract import limits
from service.contract.customer_messages import fill_customer
from service.contract.validation import Check
from service.decisions.decider import answer_flags
from service.rpc.dependencies import Dependencies


class CustomerServicer(CustomerServiceServicer):
    """Answers `GetCustomer`, `LinkIdentifiers` and `UnlinkIdentifiers`."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def GetCustomer(  # noqa: N802
        self, request: pb.GetCustomerRequest, context: grpc.ServicerContext
    ) -> pb.GetCustomerResponse:
        """Return what is known of a customer."""
        check = Check()
        identifiers = check.identifiers(request.identifiers, self._dependencies.names, stored=True)
        recent = check.count("recent", request.recent, limits.RECENT, limits.DEFAULT_RECENT)
        check.raise_if_invalid()
        customer = self._dependencies.store.read(self._dependencies.hashes(identifiers))
        response = pb.GetCustomerResponse(
            known=customer.known, customer_id=customer.profile.customer.hex()
        )
        if customer.known:
            fill_customer(response, customer.profile, recent)
        flags = answer_flags(
            self._dependencies.clock,
            customer.identifiers_disagree,
            self._dependencies.store.is_older,
        )
        response.flags.extend(int(flag) for flag in flags)  # type: ignore[misc]
        return response

    def LinkIdentifiers(  # noqa: N802
        self, request: pb.LinkIdentifiersRequest, context: grpc.ServicerContext
    ) -> pb.LinkIdentifiersResponse:
        """Join two identifiers; the link is on the clock's time."""
        first, second = self._pair(request, stored=False)
        linked = self._dependencies.store.link(
            first, second, request.asserted_by, self._dependencies.clock.now()
        )
        return pb.LinkIdentifiersResponse(
            customer_id=linked.customer.hex(),
            profile_version=linked.version,
            changed=linked.changed,
        )

    def UnlinkIdentifiers(  # noqa: N802
        self, request: pb.UnlinkIdentifiersRequest, context: grpc.ServicerContext
    ) -> pb.UnlinkIdentifiersResponse:
        """Take back what links two identifiers; the unlink is on the clock's time."""
        first, second = self._pair(request, stored=True)
        now = self._dependencies.clock.now()
        unlinked = self._dependencies.store.unlink(first, second, request.asserted_by, now)
        return pb.UnlinkIdentifiersResponse(changed=unlinked.changed, linked=unlinked.linked)

    def _pair(
        self, request: pb.LinkIdentifiersRequest | pb.UnlinkIdentifiersRequest, stored: bool
    ) -> tuple[bytes, bytes]:
        check = Check()
        a = self._required(check, "a", request.a, stored)
        b = self._required(check, "b", request.b, stored)
        check.name("asserted_by", request.asserted_by)
        check.raise_if_invalid()
        first, second = self._dependencies.hashes([a, b])
        return first, second

    def _required(
        self, check: Check, field: str, message: common_pb2.Identifier, stored: bool
    ) -> Identifier:
        if not message.ByteSize():
            check.add_violation(field, Refusal.REQUIRED)
            return Identifier("", "")
        return check.identifier(field, message, self._dependencies.names, stored)
