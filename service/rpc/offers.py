"""OfferService: keeps the catalogue's items and offers.

Reads come from this worker's snapshot; after a write of its own the snapshot has it, before the
answer goes out.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import grpc
import msgspec
from google.protobuf.message import Message
from throughline.v1 import offer_pb2 as pb
from throughline.v1.offer_pb2_grpc import OfferServiceServicer

from models.domain.catalogue import DEFAULT_PREFIX, Catalogue, Item, Offer
from models.errors import Conflict
from service.contract import limits
from service.contract.errors import NotFound
from service.contract.offer_messages import item_message, offer_message, read_items, read_offers
from service.contract.paging import page_token, read_token
from service.contract.validation import Check
from service.rpc.dependencies import Dependencies

RowT = TypeVar("RowT", Item, Offer)
MessageT = TypeVar("MessageT", bound=Message)
_Change = (
    pb.UpsertItemsRequest
    | pb.UpsertOffersRequest
    | pb.WithdrawItemsRequest
    | pb.WithdrawOffersRequest
)


class OfferServicer(OfferServiceServicer):
    """Answers everything about items and offers."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def UpsertItems(  # noqa: N802
        self, request: pb.UpsertItemsRequest, context: grpc.ServicerContext
    ) -> pb.UpsertItemsResponse:
        """Add or replace items, all or none."""
        check = Check()
        items = read_items(check, request.items, self._dependencies.clock.now())
        check.raise_if_invalid()
        return pb.UpsertItemsResponse(revision=self._put(items, request))

    def GetItem(  # noqa: N802
        self, request: pb.GetItemRequest, context: grpc.ServicerContext
    ) -> pb.GetItemResponse:
        """Return one item."""
        check = Check()
        check.id("item_id", request.item_id)
        check.raise_if_invalid()
        catalogue = self._catalogue
        item = catalogue.items.get(request.item_id)
        if item is None or item.withdrawn:
            raise NotFound("item_id: not in the catalogue")
        return pb.GetItemResponse(item=item_message(item), revision=catalogue.revision)

    def ListItems(  # noqa: N802
        self, request: pb.ListItemsRequest, context: grpc.ServicerContext
    ) -> pb.ListItemsResponse:
        """List live items by id, a page at a time."""
        size, after = _page_asked_for(request, "items")
        items, token = _page(self._catalogue.items, after, size, item_message, "items")
        return pb.ListItemsResponse(items=items, next_page_token=token)

    def WithdrawItems(  # noqa: N802
        self, request: pb.WithdrawItemsRequest, context: grpc.ServicerContext
    ) -> pb.WithdrawItemsResponse:
        """Take items, and their default offers, out of every answer."""
        ids = _ids("item_ids", request.item_ids)
        # What another worker has just added must not survive for being unknown here.
        live = _live(self._dependencies.active_release.refresh_catalogue().items, ids)
        tombstones = [msgspec.structs.replace(item, withdrawn=True) for item in live]
        return pb.WithdrawItemsResponse(
            revision=self._put(tombstones, request), withdrawn=len(live)
        )

    def UpsertOffers(  # noqa: N802
        self, request: pb.UpsertOffersRequest, context: grpc.ServicerContext
    ) -> pb.UpsertOffersResponse:
        """Add or replace offers, all or none."""
        check = Check()
        offers = read_offers(
            check, request.offers, self._dependencies.names, self._dependencies.clock.now()
        )
        check.raise_if_invalid()
        return pb.UpsertOffersResponse(revision=self._put(offers, request))

    def GetOffer(  # noqa: N802
        self, request: pb.GetOfferRequest, context: grpc.ServicerContext
    ) -> pb.GetOfferResponse:
        """Return one offer; `item:` and an item's id names that item's default offer."""
        check = Check()
        check.id("offer_id", request.offer_id.removeprefix(DEFAULT_PREFIX))
        check.raise_if_invalid()
        catalogue = self._catalogue
        offer = catalogue.offer(request.offer_id)
        if offer is None or offer.withdrawn:
            raise NotFound("offer_id: not in the catalogue")
        return pb.GetOfferResponse(offer=offer_message(offer), revision=catalogue.revision)

    def ListOffers(  # noqa: N802
        self, request: pb.ListOffersRequest, context: grpc.ServicerContext
    ) -> pb.ListOffersResponse:
        """List live explicit offers by id, a page at a time."""
        size, after = _page_asked_for(request, "offers")
        offers, token = _page(self._catalogue.offers, after, size, offer_message, "offers")
        return pb.ListOffersResponse(offers=offers, next_page_token=token)

    def WithdrawOffers(  # noqa: N802
        self, request: pb.WithdrawOffersRequest, context: grpc.ServicerContext
    ) -> pb.WithdrawOffersResponse:
        """Take offers out of every answer."""
        ids = _ids("offer_ids", request.offer_ids)
        live = _live(self._dependencies.active_release.refresh_catalogue().offers, ids)
        tombstones = [msgspec.structs.replace(offer, withdrawn=True) for offer in live]
        return pb.WithdrawOffersResponse(
            revision=self._put(tombstones, request), withdrawn=len(live)
        )

    @property
    def _catalogue(self) -> Catalogue:
        return self._dependencies.active_release.snapshot.catalogue

    def _put(self, rows: Sequence[Item | Offer], request: _Change) -> int:
        """Store rows; raises `Conflict` where the catalogue is not at the revision expected."""
        expected = request.expected_revision if request.HasField("expected_revision") else None
        if not rows:
            current = self._catalogue.revision
            if expected not in (None, current):
                raise Conflict(f"revision: expected {expected}")
            return current
        revision = self._dependencies.store.put_catalogue(rows, expected)
        self._dependencies.active_release.refresh_catalogue()
        return revision


class _PageRequest(Protocol):
    page_size: int
    page_token: str


def _page_asked_for(request: _PageRequest, kind: str) -> tuple[int, str]:
    check = Check()
    size = check.count("page_size", request.page_size, limits.PAGE, limits.DEFAULT_PAGE)
    after = read_token(check, kind, request.page_token)
    check.raise_if_invalid()
    return size, after


def _page(
    rows: Mapping[str, RowT],
    after: str,
    size: int,
    to_message: Callable[[RowT], MessageT],
    kind: str,
) -> tuple[list[MessageT], str]:
    """Return the live rows after an id, and the token of the next page or ""."""
    ids = sorted(key for key, row in rows.items() if not row.withdrawn)
    page: list[MessageT] = []
    total = 0
    start = bisect_right(ids, after) if after else 0
    for row_id in ids[start:]:
        if len(page) == size or total > limits.PAGE_BYTES:
            return page, page_token(kind, ids[start + len(page) - 1])
        page.append(to_message(rows[row_id]))
        total += page[-1].ByteSize()
    return page, ""


def _ids(field: str, ids: Sequence[str]) -> Sequence[str]:
    check = Check()
    if check.size(field, ids, limits.UPSERT, minimum=1):
        for at, value in enumerate(ids):
            check.id(f"{field}[{at}]", value)
    check.raise_if_invalid()
    return ids


def _live(rows: Mapping[str, RowT], ids: Sequence[str]) -> list[RowT]:
    found = (rows.get(row_id) for row_id in dict.fromkeys(ids))
    return [row for row in found if row is not None and not row.withdrawn]
