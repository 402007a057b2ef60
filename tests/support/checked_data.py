"""A small clean shop to plant faults in, and what the checks of training say of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from models.domain.dataset import Kind, Metadata
from training.checks.checked_dataset import CheckedDataset
from training.checks.dataset_checks import DATASET_CHECKS
from training.checks.finding import Finding, run
from training.log.dataset import schema

START = datetime(2026, 1, 5, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAYS, CUSTOMERS, ITEMS = 60, 80, 40

Rows = list[dict[str, Any]]


def event(at: int, minute: float, **columns: object) -> dict[str, Any]:
    """Return an event of customer `at`, so many minutes after the shop opened."""
    return {
        "event_id": f"e{at}-{minute}",
        "namespace": "loyalty",
        "identifier": f"C{at:03}",
        "type": "purchase",
        "channel": "store",
        "time": START + timedelta(minutes=minute),
        "item": f"I{(at * 7 + round(minute)) % ITEMS:03}",
    } | columns


def shop() -> Rows:
    """Return the events of a shop in which nothing is wrong: 30 purchases and views a day."""
    random = np.random.default_rng(11)
    rows = []
    for day in range(DAYS):
        for number in range(60):
            minute = day * 1440 + 480 + round(float(random.uniform(0, 700)), 2)
            type_, channel = ("purchase", "store") if number % 2 else ("view", "web")
            rows.append(
                event(
                    int(random.integers(CUSTOMERS)),
                    minute,
                    type=type_,
                    channel=channel,
                    item=f"I{int(random.integers(ITEMS)):03}",
                )
            )
    return rows


def articles(features: str | None = '{"brand": "b"}') -> Rows:
    """Return the shop's items."""
    return [{"item": f"I{at:03}", "features": features} for at in range(ITEMS)]


def checked(
    events: Sequence[Mapping[str, Any]], kind: Kind = "timed", zone: str = "UTC", **tables: Rows
) -> CheckedDataset:
    """Return a dataset of rows by column name, to be checked at `NOW`."""
    rows = {"events": events, "items": tables.pop("items", articles()), **tables}
    frames = {
        name: pl.DataFrame(
            {column: [row.get(column) for row in part] for column in schema(name)},
            schema=schema(name),
        )
        for name, part in rows.items()
    }
    return CheckedDataset(Metadata(kind=kind, source="test", zone=zone), frames, NOW)


def findings(dataset: CheckedDataset) -> dict[str, Finding]:
    """Return what the declared checks find, by name; the last where one finds several things."""
    return {finding.check: finding for finding in run(DATASET_CHECKS, dataset)}
