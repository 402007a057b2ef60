"""OfferService: keeps the catalogue's items and offers.

Reads come from this worker's snapshot; after a write of its own the snapshot has it, before the
answer goes out.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message
from msgspec.structs import replace
from throughline.v1 import offer_pb2 as pb
from throughline.v1.offer_pb2_grpc import OfferServiceServicer

from models.domain.catalogue import Catalogue, Item, Offer, Row
from models.domain.names import DEFAULT_PREFIX
from service.contract import limits
from service.contract.catalogue_fields import ITEM_FIELDS, OFFER_FIELDS
from service.contract.errors import NotFound
from service.contract.field_masks import read_mask
from service.contract.offer_messages import item_message, offer_message, read_items, read_offers
from service.contract.paging import page_token, read_token
from service.contract.validation import Check
from service.rpc.dependencies import Dependencies
from service.rpc.upserts import changed_rows, keep_withdrawn, whole_rows
from service.store.catalogue_writes import Written, change_catalogue

LONGEST_WAIT = 0.5  # seconds; beyond it a call takes its chance beside the others

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
        self._writing = Lock()

    def UpsertItems(  # noqa: N802
        self, request: pb.UpsertItemsRequest, context: grpc.ServicerContext
    ) -> pb.UpsertItemsResponse:
        """Add, replace or change items, all or none."""
        check = Check()
        mask = read_mask(check, request.update_mask, ITEM_FIELDS)
        names, now = self._dependencies.names, self._dependencies.clock.now()
        changes = read_items(check, request.items, names, now, mask)
        check.raise_if_invalid()
        wholes = None if mask else whole_rows(Item, changes)

        def change(catalogue: Catalogue) -> list[Item]:
            rows = changed_rows(changes, catalogue.items) if wholes is None else wholes
            return keep_withdrawn(rows, catalogue.items, request.restore)

        if request.validate_only:
            catalogue = self._catalogue
            return pb.UpsertItemsResponse(
                revision=catalogue.revision, still_withdrawn=_withdrawn(change(catalogue))
            )
        written = self._write(change, request)
        return pb.UpsertItemsResponse(
            revision=written.revision, still_withdrawn=_withdrawn(written.rows)
        )

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
        catalogue = self._catalogue
        ids = catalogue.item_ids
        items, token = _page(catalogue.items, ids, after, size, item_message, "items")
        return pb.ListItemsResponse(items=items, next_page_token=token)

    def WithdrawItems(  # noqa: N802
        self, request: pb.WithdrawItemsRequest, context: grpc.ServicerContext
    ) -> pb.WithdrawItemsResponse:
        """Take items, and their default offers, out of every answer."""
        ids = _ids("item_ids", request.item_ids)
        written = self._write(lambda catalogue: _tombstones(catalogue.items, ids), request)
        return pb.WithdrawItemsResponse(revision=written.revision, withdrawn=len(written.rows))

    def UpsertOffers(  # noqa: N802
        self, request: pb.UpsertOffersRequest, context: grpc.ServicerContext
    ) -> pb.UpsertOffersResponse:
        """Add, replace or change offers, all or none."""
        check = Check()
        mask = read_mask(check, request.update_mask, OFFER_FIELDS)
        names, now = self._dependencies.names, self._dependencies.clock.now()
        changes = read_offers(check, request.offers, names, now, mask)
        check.raise_if_invalid()
        wholes = None if mask else whole_rows(Offer, changes)

        def change(catalogue: Catalogue) -> list[Offer]:
            rows = changed_rows(changes, catalogue.offers) if wholes is None else wholes
            return keep_withdrawn(rows, catalogue.offers, request.restore)

        if request.validate_only:
            catalogue = self._catalogue
            return pb.UpsertOffersResponse(
                revision=catalogue.revision, still_withdrawn=_withdrawn(change(catalogue))
            )
        written = self._write(change, request)
        return pb.UpsertOffersResponse(
            revision=written.revision, still_withdrawn=_withdrawn(written.rows)
        )

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
        catalogue = self._catalogue
        ids = catalogue.offer_ids
        offers, token = _page(catalogue.offers, ids, after, size, offer_message, "offers")
        return pb.ListOffersResponse(offers=offers, next_page_token=token)

    def WithdrawOffers(  # noqa: N802
        self, request: pb.WithdrawOffersRequest, context: grpc.ServicerContext
    ) -> pb.WithdrawOffersResponse:
        """Take offers out of every answer."""
        ids = _ids("offer_ids", request.offer_ids)
        written = self._write(lambda catalogue: _tombstones(catalogue.offers, ids), request)
        return pb.WithdrawOffersResponse(revision=written.revision, withdrawn=len(written.rows))

    @property
    def _catalogue(self) -> Catalogue:
        return self._dependencies.active_release.snapshot.catalogue

    def _write(self, change: Callable[[Catalogue], Sequence[Row]], request: _Change) -> Written:
        """Store what `change` makes of the catalogue; raises as `change_catalogue` does."""
        expected = request.expected_revision if request.HasField("expected_revision") else None
        # Calls of this process wait for each other, rather than ask again after a lost race; but
        # not for one that waits for a store that is away.
        alone = self._writing.acquire(timeout=LONGEST_WAIT)
        try:
            written = change_catalogue(self._dependencies.store, self._catalogue, change, expected)
        finally:
            if alone:
                self._writing.release()
        if written.revision > self._catalogue.revision:
            self._dependencies.active_release.refresh_catalogue()
        return written


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
    ids: Sequence[str],
    after: str,
    size: int,
    to_message: Callable[[RowT], MessageT],
    kind: str,
) -> tuple[list[MessageT], str]:
    """Return the live ones of the rows `ids`, in order, after an id, and the next page's token."""
    page: list[MessageT] = []
    last, total = "", 0
    for at in range(bisect_right(ids, after) if after else 0, len(ids)):
        row = rows[ids[at]]
        if row.withdrawn:
            continue
        if len(page) == size or total > limits.PAGE_BYTES:
            return page, page_token(kind, last)
        page.append(to_message(row))
        last, total = row.id, total + page[-1].ByteSize()
    return page, ""


def _ids(field: str, ids: Sequence[str]) -> Sequence[str]:
    check = Check()
    if check.size(field, ids, limits.UPSERT, minimum=1):
        for at, value in enumerate(ids):
            check.id(f"{field}[{at}]", value)
    check.raise_if_invalid()
    return ids


def _tombstones(rows: Mapping[str, RowT], ids: Sequence[str]) -> list[RowT]:
    """Return those of the rows with these ids that are not withdrawn yet, withdrawn."""
    found = (rows.get(row_id) for row_id in dict.fromkeys(ids))
    return [replace(row, withdrawn=True) for row in found if row and not row.withdrawn]


def _withdrawn(rows: Sequence[Row]) -> int:
    return sum(row.withdrawn for row in rows)
