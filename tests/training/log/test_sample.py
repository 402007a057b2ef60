"""A share of the customers: who is drawn, and that nobody else is learnt from or asked about."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl
import pytest

from tests.support.training_logs import QUICK, log_of
from training.log.event_log import identifier_bytes, read_log
from training.log.sample import sample
from training.simulation.retailer import Setting
from training.simulation.simulate import simulate
from training.splits.held_out import SplitConfig
from training.train import train


def test_a_smaller_share_is_part_of_a_greater() -> None:
    """Each share holds about so many customers, whole, each found by every identifier."""
    log = log_of(*(f"v{at % 7} b{at % 5}" for at in range(400)))
    quarter, half = sample(log, 0.25, 3), sample(log, 0.5, 3)
    quarters, halves, everybody = (
        {customer.identifiers for customer in one.customers} for one in (quarter, half, log)
    )
    assert quarters < halves < everybody
    assert len(quarter.customers) == pytest.approx(100, abs=30)
    assert len(half.customers) == pytest.approx(200, abs=30)
    assert len(half.customer_of) == len(half.customers)
    for identifier, at in half.customer_of.items():
        assert identifier in half.customers[at].identifiers
    assert half.items == log.items
    assert sample(log, 0.5, 4).customers != half.customers


def test_of_a_sample_only_its_own_customers_are_asked_about(tmp_path: Path) -> None:
    """A truth of everybody is cut to the customers in the share, and the release says the share."""
    end = datetime(2026, 3, 1, tzinfo=UTC)
    simulate(tmp_path / "shop", Setting(60, 40, 60, 1, end), lambda done: None)
    log = read_log(tmp_path / "shop")
    names = pl.read_parquet(
        tmp_path / "shop" / "events.parquet", columns=["namespace", "identifier"]
    )
    everybody = names.unique(maintain_order=True)
    everybody.select(
        customer=pl.format("{}:{}", "namespace", "identifier"), item=pl.lit("never sold")
    ).write_parquet(tmp_path / "shop" / "truth.parquet")
    config = msgspec.structs.replace(QUICK, share=0.5, split=SplitConfig(protocol="truth"))
    trained = train(tmp_path / "shop", tmp_path / "registry", config)
    drawn = sample(log, 0.5, config.seed).customer_of
    names_of = everybody.iter_rows()
    wanted = sum(identifier_bytes(space, name, keyed=False) in drawn for space, name in names_of)
    asked = {found.n for found in trained.pipeline.measured["default"] if found.slice == "all"}
    assert 0 < wanted < everybody.height
    assert asked == {wanted}
    assert trained.pipeline.release.manifest.configuration["share"] == 0.5
