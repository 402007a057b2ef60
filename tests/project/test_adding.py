"""Adding a thing is one place: in a copy of the code one declaration is added, and all follows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("models", "service", "protos")

REASON = """
from models.domain.decisions import WithheldOffer
from models.domain.exclusions import Exclusion
from models.domain.reasons import Reason
from service.contract.words import reason_in_words
import msgspec

kept = msgspec.msgpack.encode(WithheldOffer("offer", 1, Exclusion(Reason.TOO_FAR).reason))
assert msgspec.msgpack.decode(kept, type=WithheldOffer).reason is Reason.TOO_FAR
assert reason_in_words(26) == "too far from the customer"
"""

CHANNEL = """
from models.policy.schema import Contact
from models.policy.toml_file import read_policy
from service.contract.names import declare_names
from service.metrics.server_metrics import Metrics

names = declare_names()
assert "fax" in names.channels and "fax" in Contact().outbound
Metrics(sorted(names.channels))
read_policy('[[contact.caps]]\\nname = "a"\\nlimit = 1\\ndays = 7\\nchannels = ["fax"]\\n')
"""

METRIC = """
from prometheus_client import generate_latest
from service.metrics import declared
from service.metrics.export import collector_registry
from service.metrics.server_metrics import Metrics

metrics = Metrics(["web"])
metrics.exported[declared.GREETINGS].labels("web").inc(2)
text = generate_latest(collector_registry(metrics.collect)).decode()
assert "# HELP throughline_greetings_total Customers greeted." in text
assert 'throughline_greetings_total{channel="web"} 2.0' in text
"""

EVENT = """
from models.domain.event_types import VERBS
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import view_of
from models.recommender.user_features import HistoryConfig, history_features
from service.contract.names import declare_names

assert "wish" in declare_names().sendable_types and VERBS["wish"] == "wished for"
declare_names(event_types={"covet": "wish"})
wish = Event(event_id="1", identifier=b"", type="wish", channel="web", time=1, item="a")
view = view_of([fold(Compartment(), [wish])])
assert [entry.type for entry in view.lanes["cart"]] == ["wish"]
assert [feature.name for feature in history_features(view, HistoryConfig(), 2)] == ["wish:a"]
"""


def after(folder: Path, file: str, line: str, added: str) -> None:
    """Copy the code to `folder` with `added` below the `line` of a file."""
    for package in PACKAGES:
        # What is compiled comes along: it is known by its source's size and time.
        shutil.copytree(ROOT / package, folder / package)
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(line) == 1, line
    (folder / file).write_text(text.replace(line, f"{line}\n{added}"), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "line", "added", "program"),
    [
        (
            "models/domain/reasons.py",
            '    PRICE_CHANGED = 25, "dearer than the customer was told"',
            '    TOO_FAR = 26, "too far from the customer"',
            REASON,
        ),
        (
            "models/domain/channels.py",
            '    Channel("tv"),',
            '    Channel("fax", outbound=True),',
            CHANNEL,
        ),
        (
            "service/metrics/declared.py",
            'WORKERS = gauge("throughline_workers", "Processes that serve.", "livesum")',
            'GREETINGS = counter("throughline_greetings_total", "Customers greeted.", "channel")',
            METRIC,
        ),
        (
            "models/domain/event_types.py",
            '    EventType("remove_from_cart", CART, about=True),',
            '    EventType("wish", CART, weight=0.5, verb="wished for"),',
            EVENT,
        ),
    ],
    ids=["a withhold reason", "a channel", "a metric", "an event type"],
)
def test_one_declaration_is_followed(
    tmp_path: Path, file: str, line: str, added: str, program: str
) -> None:
    """What is declared in one line is known wherever such a thing is used."""
    after(tmp_path, file, line, added)
    paths = os.pathsep.join(map(str, (tmp_path, tmp_path / "protos")))
    command = [sys.executable, "-P", "-c", program]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": paths}, cwd=tmp_path)
