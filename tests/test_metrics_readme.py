"""README names the metrics that there are, all of them, and flags and reasons that there are."""

import re

from prometheus_client import Metric

from models.domain.channels import CHANNELS
from models.domain.decisions import Flag
from service.metrics.declared import Metrics
from tests.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
NAME = re.compile(r"\bthroughline_[a-z_]+")


def exported_name(family: Metric) -> str:
    """Return the name that a metric has for who reads it."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_readme_names_every_metric() -> None:
    """Each metric is in README, and README names no other."""
    there = {exported_name(family) for family in Metrics(CHANNELS).collect()}
    assert set(NAME.findall(README)) == there


def test_readme_names_flags_that_there_are() -> None:
    """The flags in README's expressions are flags that are exported."""
    named = {
        flag for said in re.findall(r'flag=~?"([a-z_|]+)"', README) for flag in said.split("|")
    }
    assert named
    assert named <= {flag.name.lower() for flag in Flag}
