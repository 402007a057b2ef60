"""The rooms: which may import which, so that arrows between them go one way."""

import pytest

from tests.support.modules import MODULES, imports, name_of

LEAVES = {"errors", "codec", "canonical", "clock_time"}

# For each room, the rooms of its own package that it may import: those below it.
ARROWS: dict[str, dict[str, set[str]]] = {
    "models": {
        "codec": {"errors"},
        "domain": {"numeric", "clock_time", "codec", "errors"},
        "domain/input": {"domain", "clock_time"},
        "policy": {"domain/input", "domain", "numeric", "clock_time", "errors"},
        "recommender": {"domain", "numeric", "clock_time", "errors"},
        "release": {*("recommender", "policy", "domain", "numeric"), *LEAVES - {"codec"}},
        "ranking": {"release", "recommender", "policy", "domain", "numeric"},
        "decision": {
            *("ranking", "release", "recommender", "policy", "domain", "numeric"),
            *LEAVES - {"canonical"},
        },
        "explanation": {"decision", "ranking", "policy", "domain", "numeric", "clock_time"},
    },
    "service": {
        "store/sqlite": {"store/database"},
        "store/redis": {"store/database"},
        "store/identity": {"store/database"},
        "store/customers": {"store/database", "store/identity"},
        "store/records": {"store/database"},
        "store": {
            *("store/sqlite", "store/redis", "store/customers", "store/records"),
            *("store/database", "store/identity"),
        },
        "config": {"contract", "store/database"},
        "metrics": {"config", "contract"},
        "dataset": {"store", "store/customers", "contract"},
        "decisions": {
            *("metrics", "config", "contract"),
            *("store", "store/customers", "store/database"),
        },
        "rpc": {
            *("decisions", "metrics", "config", "contract"),
            *("store", "store/customers", "store/database"),
        },
        "server": {
            *("rpc", "decisions", "metrics", "config", "contract"),
            *("store", "store/database", "store/identity", "store/sqlite"),
        },
        "workers": {"server", "metrics", "config"},
        "unreachable": {"proxies"},
        "client": {"proxies", "unreachable"},
        "commands": {
            *("client", "workers", "server", "decisions", "dataset", "config", "contract"),
            *("store", "store/database", "store/identity"),
        },
        "cli": {"commands", "config"},
    },
    "training": {
        "splits": {"log"},
        "counting": {"log"},
        "retrieval": {"counting", "log", "progress"},
        "ranking": {"counting", "splits", "log", "progress"},
        "evaluation": {"splits", "log", "progress", "terminal"},
        "opponents": {"evaluation", "retrieval", "splits", "log", "progress"},
        "response": {"evaluation", "ranking", "splits", "log", "progress"},
        "run": {
            *("response", "evaluation", "ranking", "retrieval", "counting", "splits", "log"),
            *("opponents", "progress", "terminal"),
        },
        "checks": {"splits", "log"},
        "importing": {"importing/files", "log", "terminal"},
        "importing/guess": {"importing", "importing/files"},
        "simulation": {"log"},
        "train": {"run", "opponents", "evaluation", "ranking", "splits", "log", "progress"},
        "import_command": {"importing/guess", "importing", "checks", "terminal"},
        "commands": {
            *("import_command", "train", "run", "response", "evaluation", "splits", "log"),
            *("simulation", "checks", "terminal"),
        },
    },
}
FILES = {name_of(path).removesuffix(".py").removesuffix("/__init__"): path for path in MODULES}


def room_of(module: str) -> str:
    """Return the room of a module ("models/ranking/scorers"): its folder, or itself at the top."""
    inside = module.partition("/")[2]
    folder = inside.rpartition("/")[0]
    if FILES[module].name == "__init__.py":
        return inside
    return folder or inside


def arrows(package: str) -> set[tuple[str, str]]:
    """Return each pair of rooms of a package of which the first imports the second."""
    found = set()
    for module, path in FILES.items():
        if not module.startswith(f"{package}/"):
            continue
        for imported in imports(path):
            name = imported.replace(".", "/")
            name = name if name in FILES else name.rpartition("/")[0]  # a name of a module
            if name in FILES and name.startswith(f"{package}/"):
                found.add((room_of(module), room_of(name)))
    return {(one, other) for one, other in found if one != other}


@pytest.mark.parametrize("package", ARROWS)
def test_rooms_import_only_rooms_below(package: str) -> None:
    """Each arrow between two rooms is allowed, and each that is allowed is drawn."""
    allowed = {(room, below) for room, rooms in ARROWS[package].items() for below in rooms}
    assert arrows(package) == allowed


@pytest.mark.parametrize("package", ARROWS)
def test_arrows_form_no_circle(package: str) -> None:
    """Rooms stand on floors: there is an order in which each imports only rooms before it."""
    left = {room: set(below) for room, below in ARROWS[package].items()}
    while left:
        free = [room for room, below in left.items() if not below & left.keys()]
        assert free, sorted(left)
        for room in free:
            del left[room]
