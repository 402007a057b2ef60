"""The tables of the manual are those of the code: each name, no other, and every default."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
import typer.main
from prometheus_client import Metric
from throughline.v1 import (
    common_pb2,
    customer_pb2,
    event_pb2,
    offer_pb2,
    policy_pb2,
    recommendation_pb2,
    release_pb2,
)

from models.domain import selectors
from models.domain.channels import CHANNELS
from models.domain.dataset import TABLES
from models.domain.decisions import Flag, Intent
from models.domain.event_types import ATTRIBUTE, EVENT_TYPES, TYPE_WEIGHTS
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.identifiers import NAMESPACES
from models.domain.input.warnings import Warned
from models.domain.profile import LANE_CAPACITY, Compartment
from models.domain.view import view_of
from models.policy import schema as policy
from models.policy.contact_log import contact_log_of
from models.policy.cool_downs import closed_offers, touched
from models.recommender.sources import Quotas
from service.cli import app
from service.config.settings import Settings
from service.contract import limits
from service.contract.status import FAILURE_KINDS
from service.metrics.server_metrics import Metrics
from service.store.store import Store
from tests.support.events import identifier
from tests.support.manual_pages import table_under
from tests.support.paths import ROOT
from tests.support.redis_server import RedisServer
from training.counting.trend import TrendConfig
from training.importing import schema
from training.ranking.fit_trees import RankerSettings
from training.ranking.settings import DiscoveryConfig, IntentConfig
from training.response.contacts import ResponseConfig
from training.retrieval.fit import StageOneSettings as StageOne
from training.run.config import TrainConfig
from training.splits.held_out import SplitConfig

REQUIRED = "required"
SEE = ("see below", "see there", "by name")  # a table of its own says it
NONE = ("none", "any", "all")  # nothing given

# What stands for a value in a key of Redis.
WORDS = "SHARD|CUSTOMER|IDENTIFIER|DECISION|REQUEST|COUNTER|DATASET"


def keys_of(kind: Any) -> dict[str, Any]:
    """Return the fields of a struct or a dataclass with their defaults; `REQUIRED` without one."""
    if issubclass(kind, msgspec.Struct):
        return {
            field.name: _default(field.default, field.default_factory, msgspec.NODEFAULT)
            for field in msgspec.structs.fields(kind)
        }
    return {
        field.name: _default(field.default, field.default_factory, MISSING)
        for field in fields(kind)
    }


def _default(value: Any, factory: Any, nothing: Any) -> Any:
    if value is not nothing:
        return value
    return REQUIRED if factory is nothing else factory()


def agrees(said: str, default: object) -> bool:
    """Tell whether a cell says a default."""
    if said in SEE:
        return default not in (REQUIRED, None)
    if said in NONE:
        return default in (None, "", (), [], {}) or default == selectors.Selector()
    if said == REQUIRED:
        return default == REQUIRED
    if isinstance(default, tuple):
        default = list(default)
    if isinstance(default, Path):
        default = str(default)
    return bool(json.loads(said.strip("`")) == default)


STRUCTS: list[tuple[str, str, dict[str, Any]]] = [
    ("docs/policy.md", line, keys_of(kind))
    for line, kind in (
        ("## Top level", policy.Policy),
        ("## `[intents.NAME]`", policy.IntentRule),
        ("## `[placements.NAME]`", policy.Placement),
        ("## Selectors", selectors.Selector),
        ("## `[[eligibility]]`", policy.Eligibility),
        ('`kind = "attribute"`', policy.AttributeIs),
        ('`kind = "event"`', policy.HappenedLately),
        ('`kind = "place"`', policy.AtPlace),
        ('`kind = "time"`', policy.AtTime),
        ('`kind = "offer"`', selectors.OfferHas),
        ('`kind = "any"`', policy.AnyOf),
        ('`kind = "any"`', policy.AllOf),
        ('`kind = "any"`', policy.NoneOf),
        ("## `[contact]`", policy.Contact),
        ("### `[[contact.caps]]`", policy.Cap),
        ("### `[[contact.quiet_hours]]`", policy.QuietHours),
        ("### `[contact.cool_downs]`", policy.CoolDowns),
        ("## `[[levers]]`", policy.Lever),
        ("## `[arbitration]`", policy.Arbitration),
        ("## `[money]`", policy.Currencies),
        ("## `[[diversity]]`", policy.AtMost),
        ("## `[exploration]`", policy.Exploration),
        ("## `[holdout]`", policy.Holdout),
        ("## `[candidates]`", policy.CandidateCounts),
    )
]
STRUCTS += [
    ("docs/training.md", line, keys_of(kind))
    for line, kind in (
        ("### Top level", TrainConfig),
        ("### `[split]`", SplitConfig),
        ("### `[stage_one]`", StageOne),
        ("### `[default]` and", IntentConfig),
        ("### `quotas`", Quotas),
        ("### `ranker`", RankerSettings),
        ("### `[trend]`", TrendConfig),
        ("### `[responses]`", ResponseConfig),
    )
]
STRUCTS += [
    (
        "docs/operations.md",
        "## Settings",
        {
            name: "" if name == "key" else field.default
            for name, field in Settings.model_fields.items()
        },
    ),
]


@pytest.mark.parametrize(
    ("page", "line", "keys"), STRUCTS, ids=[f"{page}: {line}" for page, line, _ in STRUCTS]
)
def test_each_key_is_told_with_its_default(page: str, line: str, keys: dict[str, Any]) -> None:
    """A table of keys has each that the code reads, no other, and the default of each."""
    table = table_under(page, line)
    assert set(table) == set(keys)
    for name, default in keys.items():
        assert agrees(table[name][1], default), f"{name}: {table[name][1]}, not {default!r}"


@pytest.mark.parametrize(
    ("title", "declared"), schema.PARTS, ids=[part for part, _ in schema.PARTS]
)
def test_each_key_of_a_mapping_is_told(title: str, declared: type[msgspec.Struct]) -> None:
    """The manual has each part of the mapping as `throughline import --schema` prints it."""
    told = list(table_under("docs/datasets.md", f"### {title}").values())
    assert told == [[f"`{key.name}`", *key[1:]] for key in schema.keys(declared)]


def test_the_tables_of_training_tell_what_differs_by_intent() -> None:
    """The text below the tables names the defaults that discovery and the quotas have."""
    text = " ".join((ROOT / "docs/training.md").read_text(encoding="utf-8").split())
    normal, discovery = IntentConfig(), DiscoveryConfig()
    assert discovery.ranker == RankerSettings(trees=120, leaves=15, learning_rate=0.05)
    assert "120 trees with 15 leaves and a learning rate of 0.05" in text
    assert discovery.quotas.own == 0
    for name, number in normal.quotas.tables.items():
        assert re.search(rf"`{name}` {number}\b", text), name
    numbers = [str(number) for number in discovery.quotas.tables.values()]
    assert f"for `discovery` {', '.join(numbers[:-1])} and {numbers[-1]}" in text
    trees = ResponseConfig().ranker
    assert trees == RankerSettings(trees=40, leaves=7, learning_rate=0.05, least_rows=100)


@pytest.mark.parametrize("name", TABLES)
def test_each_column_of_a_dataset_is_told(name: str) -> None:
    """The table of a dataset's table has its columns, types and meanings."""
    told = list(table_under("docs/datasets.md", f"### `{name}`").values())
    assert told == [
        [f"`{one.name}`", one.type, "yes" if one.nullable else "no", one.meaning]
        for one in TABLES[name]
    ]


def test_each_command_is_told() -> None:
    """The table of commands has every command, and no other."""

    def leaves(command: Any, path: str) -> Iterator[str]:
        if not hasattr(command, "commands"):
            yield path
            return
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{path} {name}")

    there = set(leaves(typer.main.get_command(app), "throughline"))
    assert set(table_under("docs/README.md", "## Commands")) == there


def test_each_target_of_make_is_told() -> None:
    """CONTRIBUTING tells the targets of the Makefile, parts of `check` apart."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    there = {f"make {name}" for name in phony[1].split()} - {"make help"}
    told = set(table_under("CONTRIBUTING.md", "## Make targets"))
    assert told | {"make style", "make types"} == there


MINUTE = 60_000_000
NOW = 1_000 * MINUTE


def one_event(kind: str, channel: str = "web") -> Event:
    """Return an event of a type about an item and an offer, a minute ago."""
    return Event(
        event_id="e1",
        identifier=identifier(1),
        type=kind,
        channel=channel,
        time=NOW - MINUTE,
        item="item1",
        offer="offer1",
    )


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_what_an_event_does_is_told(kind: str) -> None:
    """The row of a type says its group, and what the code makes of one event of it."""
    _, group, remembered, ranking, caps, cool_downs = table_under(
        "docs/events.md", "## What each type does"
    )[kind]
    assert group == EVENT_TYPES[kind].lane
    assert remembered == (str(LANE_CAPACITY[group]) if group != ATTRIBUTE else "")
    view = view_of([fold(Compartment(), [one_event(kind)])])
    rules = policy.Contact()
    closed = closed_offers(view, rules.cool_downs, NOW, Intent.DEFAULT, ())
    assert bool(closed) == ("closes" in cool_downs)
    assert bool(touched(view)) == ("`discovery` leaves" in cool_downs)
    entries = [entry for lane in view.lanes.values() for entry in lane]
    assert bool(contact_log_of(entries, str, rules, NOW).messages) == caps.startswith("a contact")
    if group != ATTRIBUTE:
        assert (kind in TYPE_WEIGHTS) == ("embedding" in ranking)
    assert (kind in ResponseConfig().types) == ("a response" in ranking)


def test_each_type_of_event_is_told() -> None:
    """The table of events has every built-in type, and no other."""
    assert set(table_under("docs/events.md", "## What each type does")) == set(EVENT_TYPES)


def test_an_impression_on_an_outbound_channel_is_no_contact() -> None:
    """What the table says of impressions holds on each channel."""
    rules = policy.Contact()
    for channel in CHANNELS:
        view = view_of([fold(Compartment(), [one_event("impression", channel)])])
        entries = [entry for lane in view.lanes.values() for entry in lane]
        counted = bool(contact_log_of(entries, str, rules, NOW).messages)
        assert counted == (channel not in rules.outbound)


def test_each_call_is_told() -> None:
    """The table of calls has every method of the contract, and no other."""
    there = {
        f"{service.name}.{method.name}"
        for module in (
            *(recommendation_pb2, event_pb2, customer_pb2, offer_pb2),
            *(release_pb2, policy_pb2),
        )
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert set(table_under("docs/contract.md", "## Calls")) == there


@pytest.mark.parametrize(
    ("heading", "values", "prefix"),
    [
        ("## Reasons for withholding", recommendation_pb2.WithholdReason, "WITHHOLD_REASON_"),
        ("## Flags of an answer", common_pb2.Flag, "FLAG_"),
        ("## Sources", recommendation_pb2.Source, "SOURCE_"),
    ],
)
def test_each_value_of_a_closed_list_is_told(heading: str, values: Any, prefix: str) -> None:
    """The table of a closed list of the contract has every value but the unused first one."""
    there = {name.removeprefix(prefix) for name in dict(values.items())} - {"UNSPECIFIED"}
    assert set(table_under("docs/contract.md", heading)) == there


def test_each_warning_is_told() -> None:
    """The table of warnings has those of the contract, which are those of the code."""
    there = {name.removeprefix("EVENT_WARNING_") for name in dict(event_pb2.EventWarning.items())}
    assert there - {"UNSPECIFIED"} == {warned.name for warned in Warned}
    assert set(table_under("docs/input.md", "## Events that count for nothing")) == {
        warned.name for warned in Warned
    }


def test_each_intent_is_told() -> None:
    """The table of intents has the built-in ones."""
    assert set(table_under("docs/contract.md", "## Intents")) == set(Intent.ALL)


def test_each_error_is_told() -> None:
    """The table of errors has every reason with its code and its retry advice."""
    told = table_under("docs/contract.md", "## Errors")
    assert set(told) == {kind.reason for kind in FAILURE_KINDS}
    for kind in FAILURE_KINDS:
        _, code, _, retry = told[kind.reason]
        assert (code, retry) == (kind.code.name, f"{kind.retry} s" if kind.retry else "")


def test_each_limit_is_told() -> None:
    """The table of limits has the numbers of the code."""
    told = {name: row[1] for name, row in table_under("docs/contract.md", "## Limits").items()}
    for name, numbers in {
        "identifiers of one request": (limits.IDENTIFIERS,),
        "offers of one answer": (limits.COUNT, limits.DEFAULT_COUNT),
        "`include`, `exclude`": (limits.INCLUDE,),
        "context_items": (limits.CONTEXT_ITEMS,),
        "requests of a batch": (limits.BATCH,),
        "events of one call": (limits.EVENTS,),
        "an event's time": (limits.AHEAD_MINUTES, limits.BEHIND_DAYS),
        "items or offers of one upsert": (limits.UPSERT,),
        "items of one offer": (limits.OFFER_ITEMS,),
        "ids, of receipts too": (limits.ID_BYTES, limits.ITEM_ID_BYTES),
        "names (channels, types, placements, ...)": (limits.NAME_BYTES,),
        "one message": (limits.MESSAGE_BYTES >> 20,),
        "a policy in a call": (limits.POLICY_BYTES >> 10,),
        "metadata": (limits.METADATA_SOFT_BYTES >> 10, limits.METADATA_HARD_BYTES >> 10),
        "calls at once on one connection": (limits.STREAMS,),
        "a connection without calls": (limits.IDLE_MINUTES, limits.AGE_MINUTES),
        "pings of a client": (limits.PING_SECONDS,),
    }.items():
        row = told.get(name) or told[name.strip("`")] if name in told else told[name[1:-1]]
        found = [int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", row)]
        assert found == list(numbers), name


def test_the_built_in_names_are_told() -> None:
    """Operations names every built-in channel and namespace."""
    text = " ".join((ROOT / "docs/operations.md").read_text(encoding="utf-8").split())
    for what, names in (("channels", CHANNELS), ("namespaces", NAMESPACES)):
        assert f"Built-in {what}: {', '.join(f'`{name}`' for name in names)}." in text


NAME = re.compile(r"\bthroughline_[a-z_]+")


def exported_name(family: Metric) -> str:
    """Return the name that a metric has for who reads it."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def test_each_metric_is_told() -> None:
    """The table of metrics has every metric with its labels, and the page names no other."""
    families = {exported_name(family): family for family in Metrics(CHANNELS).collect()}
    told = table_under("docs/metrics.md", "`/metrics` is for Prometheus")
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    assert set(told) == set(families) == set(NAME.findall(page))
    for name, family in families.items():
        labels = [label.strip() for label in told[name][1].split(",") if label]
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(labels), name


def test_the_expressions_name_flags_and_metrics_that_there_are() -> None:
    """The flags in the expressions are flags that are exported."""
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    named = {flag for said in re.findall(r'flag=~?"([a-z_|]+)"', page) for flag in said.split("|")}
    assert named
    assert named <= {flag.name.lower() for flag in Flag}


def test_each_table_of_sqlite_is_told(tmp_path: Path, opened: Callable[[str], Store]) -> None:
    """Architecture names the tables of an embedded store."""
    import sqlite3

    opened(f"sqlite:{tmp_path}").close()
    with sqlite3.connect(tmp_path / "throughline.db") as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    there = {name for (name,) in found}
    assert set(table_under("docs/store-layout.md", "## SQLite")) == there


@pytest.mark.machine
def test_each_key_of_redis_is_told(
    redis_server: RedisServer, opened: Callable[[str], Store]
) -> None:
    """Every key that a store in use has in Redis is of a form that the store layout names."""
    store = opened(redis_server.url)
    store.record([one_event("view")], NOW)
    store.link(identifier(1), identifier(2), "login", NOW)
    patterns = {
        name: re.compile(re.sub("[A-Z]+", ".+", part))
        for name in table_under("docs/store-layout.md", "## Redis")
        for part in [name.replace("{", r"\{").replace("}", r"\}")]
    }
    with redis_server.client() as client:
        keys = [key.decode() for key in _keys(client)]
    assert len(keys) >= 3
    for key in keys:
        assert any(pattern.fullmatch(key) for pattern in patterns.values()), key


def _keys(client: redis.Redis) -> list[bytes]:
    return list(client.scan_iter("*"))
