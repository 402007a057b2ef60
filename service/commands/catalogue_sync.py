"""A full feed of items or offers beside the catalogue of a running service: what is to be done.

What is new or changed is upserted, what the feed no longer has is withdrawn. Everything is read,
compared and checked by the service before anything is stored.
"""

from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from throughline.v1 import offer_pb2 as pb

from models.errors import BadDataset
from service.client import Client
from service.commands.catalogue_calls import CatalogueCalls, Place, Progress
from service.commands.parsing import FileRows

SHRINK = 0.2  # the share of what is offered that a feed may withdraw unasked
EXAMPLES = 5  # ids that are told of each way of a feed's changes
_ALL = 10**9

RowT = TypeVar("RowT", pb.Offer, pb.Item)


class FeedPlan(NamedTuple, Generic[RowT]):
    """What a feed changes: rows that are new or changed, ids of rows that it no longer has."""

    new: list[RowT]
    changed: list[RowT]
    missing: list[str]
    unchanged: int

    @property
    def stored(self) -> list[RowT]:
        """Return the rows that are to be stored."""
        return self.new + self.changed

    @property
    def shrinks(self) -> float:
        """Return the share of what is offered that would be withdrawn."""
        offered = len(self.changed) + self.unchanged + len(self.missing)
        return len(self.missing) / offered if offered else 0.0


class Synced(NamedTuple):
    """How many rows were withdrawn, how many of the feed stay withdrawn, and the revision."""

    withdrawn: int
    still_withdrawn: int
    revision: int


def plan(
    client: Client, calls: CatalogueCalls[RowT], feed: FileRows[RowT], progress: Progress
) -> FeedPlan[RowT]:
    """Compare a feed with what a service offers; raises `BadDataset` where an id is in it twice.

    `progress` is told how many of the rows that are offered were read.
    """
    wanted: dict[str, RowT] = {}
    for at, row in enumerate(feed.messages):
        row_id = calls.id_of(row)
        if row_id in wanted:
            raise BadDataset(f"{feed.place(at)}, column {calls.id_field}: {row_id!r} again")
        wanted[row_id] = row
    offered = {calls.id_of(row): row for row in calls.rows(client, _ALL, progress)[0]}
    return FeedPlan(
        new=[row for row_id, row in wanted.items() if row_id not in offered],
        changed=[
            row
            for row_id, row in wanted.items()
            if row_id in offered and not _same(row, offered[row_id])
        ],
        missing=sorted(offered.keys() - wanted.keys()),
        unchanged=_unchanged(wanted, offered),
    )


def carry_out(
    client: Client,
    calls: CatalogueCalls[RowT],
    found: FeedPlan[RowT],
    restore: bool,
    place: Place,
    progress: Progress,
) -> Synced:
    """Store what is new or changed, then withdraw what is missing."""
    stored = found.stored
    revision, still_withdrawn = calls.upsert(client, stored, FieldMask(), restore, place, progress)
    withdrawn = 0
    if found.missing:
        withdrawn, revision = calls.withdraw(
            client, found.missing, lambda done: progress(len(stored) + done)
        )
    return Synced(withdrawn, still_withdrawn, revision)


def told_lines(found: FeedPlan[RowT], calls: CatalogueCalls[RowT]) -> Iterator[str]:
    """Yield how many rows a feed changes in each way, with the ids of the first."""
    counts = {
        "new": [calls.id_of(row) for row in found.new],
        "changed": [calls.id_of(row) for row in found.changed],
        "withdrawn": found.missing,
    }
    for name, ids in counts.items():
        told = ", ".join(ids[:EXAMPLES]) + (", ..." if len(ids) > EXAMPLES else "")
        yield f"{name:10}{len(ids):>10,}  {told}".rstrip()
    yield f"{'unchanged':10}{found.unchanged:>10,}"


def _unchanged(wanted: Mapping[str, RowT], offered: Mapping[str, RowT]) -> int:
    both = wanted.keys() & offered.keys()
    return sum(_same(wanted[row_id], offered[row_id]) for row_id in both)


def _same(told: RowT, stored: RowT) -> bool:
    """Tell whether a feed says of a row what is stored, by the defaults that a service has."""
    row = type(told)()
    row.CopyFrom(told)
    if row.offer_class == pb.OFFER_CLASS_UNSPECIFIED:
        row.offer_class = pb.OFFER_CLASS_MARKETING
    counted = {entry.place: entry.as_of for entry in stored.stock}
    for entry in row.stock:
        if not entry.HasField("as_of") and entry.place in counted:
            entry.as_of.CopyFrom(counted[entry.place])
    return row == stored
