"""The calls of OfferService about offers, and the same about items."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from rich.table import Table
from throughline.v1 import offer_pb2 as pb

from service.client import CallFailed, Client
from service.commands import catalogue_tables as tables

PAGE = 1000  # rows that one call may ask for or send
CALL_BYTES = 3 * 1024 * 1024  # of the rows of one call; the service takes 4 MiB
FRAME_BYTES = 8  # at most, around a row in a call

RowT = TypeVar("RowT", pb.Offer, pb.Item)


class CatalogueCalls(ABC, Generic[RowT]):
    """What can be asked about one kind of row of the catalogue."""

    message: type[RowT]
    id_field: str

    def rows(self, client: Client, limit: int) -> tuple[list[RowT], bool]:
        """Return the first rows by id, at most `limit`, and whether there are more."""
        rows: list[RowT] = []
        token = ""
        while len(rows) < limit:
            page, token = self._page(client, min(PAGE, limit - len(rows)), token)
            rows += page
            if not token:
                break
        return rows, bool(token)

    def upsert(
        self, client: Client, rows: Sequence[RowT], mask: FieldMask, restore: bool
    ) -> tuple[int, int]:
        """Add or replace rows, a page of them at a time, or change the fields of `mask`.

        Return the catalogue's revision, and how many of the rows stay withdrawn.
        """
        revision = withdrawn = 0
        for part in parts(rows):
            answer = self._upsert(client, part, mask, restore, False)
            revision = answer.revision
            withdrawn += answer.still_withdrawn
        return revision, withdrawn

    def validate(self, client: Client, rows: Sequence[RowT], restore: bool) -> int:
        """Have the service check whole rows, and store none; return how many stay withdrawn.

        Raises `CallFailed`, which names the row that the numbers of the answer count from.
        """
        withdrawn = 0
        for part in parts(rows):
            try:
                answer = self._upsert(client, part, FieldMask(), restore, True)
            except CallFailed as error:
                told = str(error).partition(": ")[2]
                first = f"counted from {self.id_of(part[0])!r}, nothing was changed: "
                raise CallFailed(error.code, first + told) from None
            withdrawn += answer.still_withdrawn
        return withdrawn

    def id_of(self, row: RowT) -> str:
        """Return the id of a row."""
        found: str = getattr(row, self.id_field)
        return found

    @abstractmethod
    def row(self, client: Client, row_id: str) -> RowT:
        """Return one row."""

    @abstractmethod
    def withdraw(self, client: Client, ids: Sequence[str]) -> tuple[int, int]:
        """Withdraw rows; return how many there were, and the catalogue's revision."""

    @abstractmethod
    def table(self, rows: Sequence[RowT]) -> Table:
        """Return a table of rows for a person."""

    @abstractmethod
    def _page(self, client: Client, size: int, token: str) -> tuple[Sequence[RowT], str]:
        """Return a page of rows, and the token of the next one or ""."""

    @abstractmethod
    def _upsert(
        self,
        client: Client,
        rows: Sequence[RowT],
        mask: FieldMask,
        restore: bool,
        validate_only: bool,
    ) -> pb.UpsertItemsResponse | pb.UpsertOffersResponse:
        """Add, replace or change the rows of one call, or only check them."""


class OfferCalls(CatalogueCalls[pb.Offer]):
    """The calls about offers."""

    message = pb.Offer
    id_field = "offer_id"

    def row(self, client: Client, row_id: str) -> pb.Offer:
        """Return one offer."""
        return client.call(client.offers.GetOffer, pb.GetOfferRequest(offer_id=row_id)).offer

    def withdraw(self, client: Client, ids: Sequence[str]) -> tuple[int, int]:
        """Withdraw offers."""
        request = pb.WithdrawOffersRequest(offer_ids=ids)
        answer = client.call(client.offers.WithdrawOffers, request)
        return answer.withdrawn, answer.revision

    def table(self, rows: Sequence[pb.Offer]) -> Table:
        """Return a table of offers."""
        return tables.offers(rows)

    def _page(self, client: Client, size: int, token: str) -> tuple[Sequence[pb.Offer], str]:
        request = pb.ListOffersRequest(page_size=size, page_token=token)
        answer = client.call(client.offers.ListOffers, request)
        return answer.offers, answer.next_page_token

    def _upsert(
        self,
        client: Client,
        rows: Sequence[pb.Offer],
        mask: FieldMask,
        restore: bool,
        validate_only: bool,
    ) -> pb.UpsertOffersResponse:
        request = pb.UpsertOffersRequest(
            offers=rows, update_mask=mask, restore=restore, validate_only=validate_only
        )
        return client.call(client.offers.UpsertOffers, request)


class ItemCalls(CatalogueCalls[pb.Item]):
    """The calls about items."""

    message = pb.Item
    id_field = "item_id"

    def row(self, client: Client, row_id: str) -> pb.Item:
        """Return one item."""
        return client.call(client.offers.GetItem, pb.GetItemRequest(item_id=row_id)).item

    def withdraw(self, client: Client, ids: Sequence[str]) -> tuple[int, int]:
        """Withdraw items."""
        request = pb.WithdrawItemsRequest(item_ids=ids)
        answer = client.call(client.offers.WithdrawItems, request)
        return answer.withdrawn, answer.revision

    def table(self, rows: Sequence[pb.Item]) -> Table:
        """Return a table of items."""
        return tables.items(rows)

    def _page(self, client: Client, size: int, token: str) -> tuple[Sequence[pb.Item], str]:
        request = pb.ListItemsRequest(page_size=size, page_token=token)
        answer = client.call(client.offers.ListItems, request)
        return answer.items, answer.next_page_token

    def _upsert(
        self,
        client: Client,
        rows: Sequence[pb.Item],
        mask: FieldMask,
        restore: bool,
        validate_only: bool,
    ) -> pb.UpsertItemsResponse:
        request = pb.UpsertItemsRequest(
            items=rows, update_mask=mask, restore=restore, validate_only=validate_only
        )
        return client.call(client.offers.UpsertItems, request)


def parts(rows: Sequence[RowT]) -> Iterator[Sequence[RowT]]:
    """Yield rows in order, as many at a time as one call takes, by number and by size."""
    first = size = 0
    for at, row in enumerate(rows):
        more = row.ByteSize() + FRAME_BYTES
        if at > first and (at - first == PAGE or size + more > CALL_BYTES):
            yield rows[first:at]
            first, size = at, 0
        size += more
    if rows:
        yield rows[first:]


CALLS: Mapping[str, CatalogueCalls[Any]] = {"offer": OfferCalls(), "item": ItemCalls()}
