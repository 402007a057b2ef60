"""A dataset as the checks look at it: its tables, and what several of them ask of these."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

import polars as pl

from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES, INTERACTION_LANES
from training.log.dataset import empty

# Nobody kept events of single customers before. What is older is a default (1900, 1970) or a number
# in another unit.
EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
# Clocks of tills and telephones run ahead, and zones are mistaken; neither by more than a day.
AHEAD = timedelta(days=1)
CUSTOMER = ("namespace", "identifier")
_ASKED = (*CUSTOMER, "type", "channel", "time", "sequence", "item", "receipt")
_ENDS = (("namespace_a", "identifier_a"), ("namespace_b", "identifier_b"))


@dataclass(frozen=True)
class CheckedDataset:
    """The tables of a dataset with the columns declared; `now` is the moment of the check, UTC."""

    metadata: Metadata
    tables: Mapping[str, pl.DataFrame]
    now: datetime

    def table(self, name: str) -> pl.DataFrame:
        """Return a table; one that is not there is empty."""
        return self.tables.get(name, empty(name))

    @property
    def events(self) -> pl.DataFrame:
        """The events, in no order to be relied on."""
        return self.tables["events"]

    @cached_property
    def timed(self) -> pl.DataFrame:
        """The events that have a time, without what no check asks of them."""
        return self.events.select(_ASKED).filter(pl.col("time").is_not_null())

    def plausible(self) -> pl.Expr:
        """Return what tells the events at a plausible time; others have no day in a zone."""
        return pl.col("time").is_between(EARLIEST, self.now + AHEAD)

    @cached_property
    def interactions(self) -> pl.DataFrame:
        """What customers did themselves: no contacts, no attributes, no returns."""
        own = self.types_in(INTERACTION_LANES)
        return self.events.select(_ASKED).filter(pl.col("type").is_in(own))

    def types_in(self, lanes: Iterable[str]) -> list[str]:
        """Return the event types, declared ones among them, that profiles remember in `lanes`."""
        likes = {name: name for name in EVENT_TYPES} | self.metadata.event_types
        known = {name: EVENT_TYPES[like] for name, like in likes.items() if like in EVENT_TYPES}
        return [name for name, type_ in known.items() if type_.lane in lanes]

    @cached_property
    def days(self) -> pl.DataFrame:
        """How many events (`len`) of each `channel` and `type` are on each local `day` since 1970.

        Only plausible times count.
        """
        local = pl.col("time").dt.convert_time_zone(self.metadata.zone).dt.date()
        plausible = self.timed.filter(self.plausible())
        day = local.cast(pl.Int32).alias("day")
        return plausible.group_by(day, "channel", "type").len().sort("day", "channel", "type")

    @cached_property
    def items_of_events(self) -> pl.DataFrame:
        """Each `item` that events name once, and in how many events (`len`)."""
        # Training reads an empty item as none.
        return self.events.filter(pl.col("item") != "").group_by("item").len().sort("item")

    @cached_property
    def ids(self) -> pl.DataFrame:
        """Each id once: `kind` (a namespace, "item" or "offer"), `id`, and in how many `rows`.

        Identifiers that are keyed hashes are not among them: they have no form of their own.
        """
        columns = [
            *((pl.lit("item"), name, "item") for name in ("events", "items")),
            *((pl.lit("offer"), name, "offer") for name in ("events", "offers")),
        ]
        if self.metadata.identifiers == "plain":
            columns += [
                (pl.col(CUSTOMER[0]), name, CUSTOMER[1]) for name in ("events", "customers")
            ]
            columns += [(pl.col(kind), "links", name) for kind, name in _ENDS]
        counted = [
            self.table(name)
            .select(kind.cast(pl.String).alias("kind"), pl.col(column).alias("id"))
            .drop_nulls()
            .group_by("kind", "id")
            .len("rows")
            for kind, name, column in columns
        ]
        return (
            pl.concat(counted).group_by("kind", "id").agg(pl.col("rows").sum()).sort("kind", "id")
        )
