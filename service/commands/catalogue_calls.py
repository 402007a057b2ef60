"""The calls of OfferService about offers, and the same about items."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from rich.table import Table
from throughline.v1 import offer_pb2 as pb

from models.errors import BadDataset, ThroughlineError
from service.client import CallFailed, Client
from service.commands import call_parts
from service.commands import catalogue_tables as tables

ROW_BYTES = 4 * 1024 * 1024 - 1024  # of a row alone in its call

# Called with how many rows are done.
Progress = Callable[[int], None]
# Returns where the row of this index came from, such as "items.jsonl: row 7".
Place = Callable[[int], str]
_FIELD = re.compile(r"\w+\[(\d+)\]\.?(.*)", re.DOTALL)  # of a row of a call

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
        place: Place,
        progress: Progress = lambda done: None,
    ) -> tuple[int, int]:
        """Add or replace rows, as many at a time as a call takes, or change the fields of `mask`.

        The service is to have checked all of them where they are of several calls (`validate`).
        Return the catalogue's revision, and how many of the rows stay withdrawn. Raises
        `BadDataset` for a row that is refused, and `CallFailed`, which says how many rows are
        stored and from which on they are to be sent again.
        """
        self._check_sizes(rows, place)
        revision = withdrawn = done = 0
        for part in call_parts.parts(rows):
            try:
                answer = self._upsert(client, part, mask, restore, False)
            except CallFailed as error:
                if len(part) == len(rows):
                    raise _of_row(error, done, place) from None
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
        mask: FieldMask,
        restore: bool,
        place: Place,
        progress: Progress = lambda done: None,
    ) -> int:
        """Have the service check what `upsert` would send; return how many rows stay withdrawn.

        Nothing is stored. Raises `BadDataset` for a row that is refused.
        """
        self._check_sizes(rows, place)
        withdrawn = done = 0
        for part in call_parts.parts(rows):
            try:
                answer = self._upsert(client, part, mask, restore, True)
            except CallFailed as error:
                raise _of_row(error, done, place) from None
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

    def _check_sizes(self, rows: Sequence[RowT], place: Place) -> None:
        for at, row in enumerate(rows):
            if row.ByteSize() > ROW_BYTES:
                raise BadDataset(
                    f"{place(at)}: {self.id_field} {self.id_of(row)[:80]!r}: "
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


def _of_row(error: CallFailed, before: int, place: Place) -> ThroughlineError:
    """Return what is told of a call that was refused: the row and the column, where one is meant.

    `before` counts the rows of the calls before it. Of several faults the first is told.
    """
    for field, reason in error.violations:
        found = _FIELD.fullmatch(field)
        if found is not None:
            column = f", column {found[2]}" if found[2] else ""
            more = len(error.violations) - 1
            others = f"; {more:,} others are refused, too" if more > 1 else ""
            others = "; another field is refused, too" if more == 1 else others
            return BadDataset(f"{place(before + int(found[1]))}{column}: {reason}{others}")
    return error


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
