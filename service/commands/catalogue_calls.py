"""The calls of OfferService about offers, and the same about items."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from rich.table import Table
from throughline.v1 import offer_pb2 as pb

from models.errors import BadDataset
from service.client import CallFailed, Client
from service.commands import call_parts
from service.commands import catalogue_tables as tables

ROW_BYTES = 4 * 1024 * 1024 - 1024  # of a row alone in its call

# Called with how many rows are done.
Progress = Callable[[int], None]

RowT = TypeVar("RowT", pb.Offer, pb.Item)


class CatalogueCalls(ABC, Generic[RowT]):
    """What can be asked about one kind of row of the catalogue."""

    message: type[RowT]
    id_field: str

    def rows(
        self, client: Client, limit: int, progress: Progress = lambda done: None
    ) -> tuple[list[RowT], bool]:
        """Return the first rows by id, at most `limit`, and whether there are more."""
        rows: list[RowT] = []
        token = ""
        while len(rows) < limit:
            page, token = self._page(client, min(call_parts.ROWS, limit - len(rows)), token)
            rows += page
            progress(len(rows))
            if not token:
                break
        return rows, bool(token)

    def upsert(
        self,
        client: Client,
        rows: Sequence[RowT],
        mask: FieldMask,
        restore: bool,
        progress: Progress = lambda done: None,
    ) -> tuple[int, int]:
        """Add or replace rows, as many at a time as a call takes, or change the fields of `mask`.

        Return the catalogue's revision, and how many of the rows stay withdrawn. Raises
        `BadDataset` for a row that no call takes, before any is sent, and `CallFailed`, which says
        how many rows are stored and from which on they are to be sent again.
        """
        self._check_sizes(rows)
        revision = withdrawn = done = 0
        for part in call_parts.parts(rows):
            try:
                answer = self._upsert(client, part, mask, restore, False)
            except CallFailed as error:
                if len(part) == len(rows):
                    raise
                first = f"counted from {self.id_of(part[0])!r}"
                far = f"{done:,} of {len(rows):,} are stored"
                again = "the same command does the rest, or a file from that row on"
                raise CallFailed(error.code, f"{far}; {first}: {error.told}; {again}") from None
            revision = answer.revision
            withdrawn += answer.still_withdrawn
            done += len(part)
            progress(done)
        return revision, withdrawn

    def validate(
        self,
        client: Client,
        rows: Sequence[RowT],
        restore: bool,
        progress: Progress = lambda done: None,
    ) -> int:
        """Have the service check whole rows, and store none; return how many stay withdrawn.

        Raises `BadDataset` for a row that no call takes, and `CallFailed`, which names the row that
        the numbers of the answer count from.
        """
        self._check_sizes(rows)
        withdrawn = done = 0
        for part in call_parts.parts(rows):
            try:
                answer = self._upsert(client, part, FieldMask(), restore, True)
            except CallFailed as error:
                first = f"counted from {self.id_of(part[0])!r}, nothing was changed: "
                raise CallFailed(error.code, first + error.told) from None
            withdrawn += answer.still_withdrawn
            done += len(part)
            progress(done)
        return withdrawn

    def withdraw(
        self, client: Client, ids: Sequence[str], progress: Progress = lambda done: None
    ) -> tuple[int, int]:
        """Withdraw rows; return how many there were, and the catalogue's revision.

        Raises `CallFailed`, which says how many ids were sent.
        """
        withdrawn = revision = 0
        for start in range(0, len(ids), call_parts.ROWS):
            try:
                count, revision = self._withdraw(client, ids[start : start + call_parts.ROWS])
            except CallFailed as error:
                if len(ids) <= call_parts.ROWS:
                    raise
                far = f"{start:,} of {len(ids):,} ids are done, none from {ids[start]!r} on"
                raise CallFailed(error.code, f"{far}: {error.told}") from None
            withdrawn += count
            progress(min(start + call_parts.ROWS, len(ids)))
        return withdrawn, revision

    def id_of(self, row: RowT) -> str:
        """Return the id of a row."""
        found: str = getattr(row, self.id_field)
        return found

    @abstractmethod
    def row(self, client: Client, row_id: str) -> RowT:
        """Return one row."""

    def _check_sizes(self, rows: Sequence[RowT]) -> None:
        for number, row in enumerate(rows, 1):
            if row.ByteSize() > ROW_BYTES:
                raise BadDataset(
                    f"row {number}: {self.id_field} {self.id_of(row)[:80]!r}: "
                    f"{row.ByteSize() / 2**20:.1f} MiB; a call takes at most 4 MiB"
                )

    @abstractmethod
    def _withdraw(self, client: Client, ids: Sequence[str]) -> tuple[int, int]:
        """Withdraw the rows of one call, as `withdraw` does."""

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

    def _withdraw(self, client: Client, ids: Sequence[str]) -> tuple[int, int]:
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

    def _withdraw(self, client: Client, ids: Sequence[str]) -> tuple[int, int]:
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


CALLS: Mapping[str, CatalogueCalls[Any]] = {"offer": OfferCalls(), "item": ItemCalls()}
