"""What ranking by expected value is worth, on a simulated retailer whose truth is known.

    python -m bench.value [--customers 600] [--items 240] [--seed 7] [--config TOML]

The retailer is simulated, a release is trained on the rates of response to its contacts, and each
customer is then decided for as they stand at the end of the log, on the web: by expected value,
which is the default, by the rate alone, and by the value alone. What an offer is worth is the true
probability of a response, which no model has seen, times its value. All of it is simulated.
"""

import argparse
import copy
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain.catalogue import Catalogue, Offer
from models.domain.decisions import Request
from models.domain.identifiers import Identifier, hash_identifier
from models.domain.profile import Profile
from models.policy.schema import Arbitration, Policy
from models.ranking.offer_index import OfferIndex
from models.recommender.calibration import Calibration
from models.release.loader import load_release
from models.release.release import Release
from service.dataset.load import load_dataset
from service.store.catalogue_writes import catch_up
from service.store.opening import open_store
from service.store.store import Store
from training.evaluation.bootstrap import Interval, intervals
from training.ranking.fit_trees import RankerSettings
from training.ranking.settings import DiscoveryConfig, IntentConfig
from training.response.contacts import ResponseConfig
from training.retrieval.fit import StageOneSettings
from training.run.config import TrainConfig, read_config
from training.run.report import response_tables
from training.simulation.retailer import Setting, affinity, response_rate
from training.simulation.simulate import TRUTH, simulate
from training.terminal import progress_bar
from training.train import TrainingRun, train

KEY = bytes(range(32))
CHANNEL = "web"
PLACES = 3
# Enough for a few hundred items, in a fraction of the time.
SMALL = TrainConfig(
    windows=3,
    stage_one=StageOneSettings(dimensions=16, epochs=3),
    default=IntentConfig(ranker=RankerSettings(trees=40, leaves=15)),
    discovery=DiscoveryConfig(ranker=RankerSettings(trees=20)),
)
BY_VALUE, BY_RATE, BY_WORTH = "rate x value", "rate alone", "value alone"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Worth:
    """What the first offer, and the mean of all places, is worth by one ranking; in the currency.

    `ahead` is by how much ranking by expected value leads it, paired by customer.
    """

    ranking: str
    first: Interval
    slate: Interval
    ahead_first: Interval
    ahead_slate: Interval


class Truth:
    """The true probability that a customer responds to an offer."""

    def __init__(self, dataset: Path) -> None:
        said = msgspec.json.decode((dataset / TRUTH).read_bytes())
        self._row = {item["item"]: row for row, item in enumerate(said["items"])}
        self._vectors = np.array([item["vector"] for item in said["items"]])
        self._bias = np.array([item["bias"] for item in said["items"]])
        self.customers = said["customers"]

    def worth(self, taste: Sequence[float], offer: Offer) -> float:
        """Return the expected value of an offer to a customer of that taste, on `CHANNEL`."""
        rows = [self._row[item] for item in offer.items]
        best = float(affinity(np.array(taste), self._vectors[rows], self._bias[rows]).max())
        value = offer.value
        assert value is not None, "every simulated offer has a value"
        return response_rate(best, CHANNEL) * (value.units + value.nanos / 1e9)


def measure(release: Release, store: Store, truth: Truth, now: int, seed: int) -> list[Worth]:
    """Decide for everybody at `now` (microseconds) by each ranking; return what each is worth."""
    catalogue = catch_up(store, Catalogue())
    default, by_rate = Policy(), Policy(arbitration=Arbitration(value=False))
    worlds = {
        BY_VALUE: SharedInputs(OfferIndex(release, catalogue), default),
        BY_RATE: SharedInputs(OfferIndex(release, catalogue), by_rate),
        BY_WORTH: SharedInputs(OfferIndex(_indifferent(release), catalogue), default),
    }
    request = Request(channel=CHANNEL, count=PLACES)
    worth: dict[str, list[list[float]]] = {name: [] for name in worlds}
    for person in truth.customers:
        profile = _profile(store, person["identifiers"])
        for name, world in worlds.items():
            slate = decide(profile, world, request, now).slate
            offers = (catalogue.offer(shown.offer) for shown in slate)
            found = [truth.worth(person["taste"], offer) for offer in offers if offer is not None]
            worth[name].append([found[0], float(np.mean(found))])
    values = {name: np.array(rows) for name, rows in worth.items()}
    return [_worth(name, values, seed) for name in worlds]


def _worth(name: str, values: dict[str, Floats], seed: int) -> Worth:
    columns = np.concatenate([values[name], values[BY_VALUE] - values[name]], axis=1)
    return Worth(name, *intervals(columns, seed))


def _indifferent(release: Release) -> Release:
    """Return a release that gives every candidate one rate, so that the value alone decides."""
    stage = release.second_stage
    assert stage is not None, "a release with rates of response has a second stage"
    one = Calibration(np.array([0.0]), np.array([0.5]))
    made = copy.copy(release)
    ensembles = {intent: each._replace(calibration=one) for intent, each in stage.ensembles.items()}
    made.second_stage = stage._replace(ensembles=ensembles)
    return made


def _profile(store: Store, identifiers: Sequence[str]) -> Profile:
    hashes = [hash_identifier(KEY, Identifier(*name.split(":", 1))) for name in identifiers]
    return store.read(hashes).profile


def run(setting: Setting, config: TrainConfig, directory: Path) -> tuple[list[Worth], TrainingRun]:
    """Simulate, train and decide below `directory`; return what each ranking is worth."""
    dataset = directory / "data"
    with progress_bar() as bar:
        task = bar.add_task("simulating", total=None)

        def steps(step: str) -> Callable[[int, int], None]:
            bar.update(task, description=step, completed=0, total=None)
            return lambda done, of: bar.update(task, completed=done, total=of)

        simulate(dataset, setting, lambda done: bar.update(task, completed=done))
        trained = train(dataset, directory / "registry", config, "none", steps)
        steps("loading")
        store = open_store(f"sqlite:{directory / 'store'}", key=KEY)
        now = int(setting.end.timestamp() * 1_000_000)
        load_dataset(dataset, store, KEY, now)
        steps("deciding")
        release = load_release(trained.directory)
        worths = measure(release, store, Truth(dataset), now, config.seed)
        store.close()
    return worths, trained


def main() -> int:
    """Print what each ranking is worth, and how well the rates are known."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--customers", type=int, default=600)
    parser.add_argument("--items", type=int, default=240)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--config", type=Path, help="of training; a small one by default")
    said = parser.parse_args()
    end = datetime(2026, 3, 1, tzinfo=UTC)
    setting = Setting(said.customers, said.items, seed=said.seed, end=end)
    config = SMALL if said.config is None else read_config(said.config)
    responses = config.responses or ResponseConfig()
    config = msgspec.structs.replace(config, seed=said.seed, responses=responses)
    with tempfile.TemporaryDirectory() as directory:
        worths, trained = run(setting, config, Path(directory))
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 200)
    assert trained.pipeline.responses is not None
    for part in response_tables(trained.pipeline.responses):
        console.print(part)
    table = Table(title=f"Expected value of a response on the web, {setting.customers:,} customers")
    table.add_column("ranked by")
    for column in ("first offer", f"mean of {PLACES}", "first: x leads by", "mean: x leads by"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in worths:
        led = one.ranking != BY_VALUE
        cells = [_cell(one.first), _cell(one.slate)]
        cells += [_cell(one.ahead_first), _cell(one.ahead_slate)] if led else ["", ""]
        table.add_row(one.ranking, *cells)
    console.print(table)
    console.print("EUR [95 % interval over customers]; x is rate x value. All of it is simulated.")
    return 0


def _cell(found: Interval) -> str:
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


if __name__ == "__main__":
    sys.exit(main())
