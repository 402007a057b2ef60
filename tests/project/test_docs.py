"""Every code block of README and the manual is run, generated, or says why it is not run.

How a block says so is told in `tests.support.manual_pages`; `tests.support.manual_reader` does what
the pages say.
"""

import ast
import shlex
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import trustme
from throughline.v1.offer_pb2 import Item
from typer.testing import CliRunner

from models.policy.toml_file import read_policy
from service.cli import app
from service.commands.parsing import json_lines
from service.config.settings import read_settings
from tests.support import certificates
from tests.support.manual_pages import PAGES, Block, blocks_of
from tests.support.manual_reader import Reader
from tests.support.paths import ROOT
from tests.support.redis_server import require_redis
from training.importing.read_mapping import read_mapping
from training.run.config import read_config

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
# More than these are not run only where somebody raises this number.
MOST_NOT_RUN = 20

README = "README.md"
OTHERS = {block.page for block in BLOCKS if block.kind == "run" and not block.claim} - {README}
FOLLOWED = [README, *sorted(OTHERS)]


def as_policy(path: Path) -> None:
    """Read a policy."""
    read_policy(path.read_text(encoding="utf-8"))


def as_settings(path: Path) -> None:
    """Read settings, but for files that they name."""
    read_settings(path)


def as_items(path: Path) -> object:
    """Read items as `throughline items upsert` reads a file of them."""
    return json_lines(path, Item).messages


READ_AS: Mapping[str, Callable[[Path], object]] = {
    "as a policy": as_policy,
    "as settings": as_settings,
    "as a training configuration": read_config,
    "as a mapping": read_mapping,
    "as items": as_items,
}


def those(kind: str, *, claimed: bool = True) -> list[object]:
    """Return a test case for each block of a kind; `claimed`: only those whose mark says more."""
    return [
        pytest.param(block, id=block.where)
        for block in BLOCKS
        if block.kind == kind and (block.claim or not claimed)
    ]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has followed README from its top, and goes on with any other page."""
    directory = tmp_path_factory.mktemp("checkout")
    authority = trustme.CA()
    certificates.server_files(directory, authority)
    authority.cert_pem.write_to_path(directory / "ca.pem")
    made = Reader(directory)
    try:
        follow(made, README)
        yield made
    finally:
        made.close()


def follow(reader: Reader, page: str) -> None:
    """Do what a page says, from its top to its end."""
    for block in BLOCKS:
        if block.page == page and block.kind == "run" and not block.claim:
            reader.read(block)
    reader.next_page()


@pytest.mark.parametrize("block", [pytest.param(block, id=block.where) for block in BLOCKS])
def test_a_block_says_what_holds_it_true(block: Block) -> None:
    """Right above each block stands a mark, and one that is not run or generated says more."""
    assert block.kind, f"{block.where}: no mark above the block"
    assert block.claim or block.kind == "run", f"{block.where}: {block.kind} without more"


@pytest.mark.machine
@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_can_be_followed(reader: Reader, page: str) -> None:
    """The commands of a page work in their order, for who has followed README before."""
    if any("redis-server" in block.text for block in BLOCKS if block.page == page):
        require_redis()
    if page != README:
        follow(reader, page)


@pytest.mark.parametrize("block", those("run"))
def test_a_block_is_what_its_mark_says(block: Block, tmp_path: Path) -> None:
    """The test that is to run a block exists; what is to be read as something can be."""
    if block.claim in READ_AS:
        path = tmp_path / "block"
        path.write_text(block.text, encoding="utf-8")
        READ_AS[block.claim](path)
        return
    file, _, name = block.claim.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("block", those("generated"))
def test_a_generated_block_is_what_it_was_made_of(
    block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block is a part of the file that it names, or what the command prints."""
    if not block.claim.startswith("throughline "):
        assert block.text in (ROOT / block.claim).read_text(encoding="utf-8")
        return
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(app, shlex.split(block.claim)[1:])
    assert block.text.rstrip() == done.output.rstrip()


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language == "toml"])
def test_toml_is_toml(block: Block) -> None:
    """A block of TOML can be parsed."""
    tomllib.loads(block.text)


def test_the_blocks_are_counted(record_property: Callable[[str, object], None]) -> None:
    """No more blocks are not run than are known; the counts are told with `pytest -s`."""
    counts = Counter(block.kind for block in BLOCKS)
    for kind, number in sorted(counts.items()):
        record_property(kind, number)
    print(f"\n{', '.join(f'{kind}: {number}' for kind, number in sorted(counts.items()))}")
    for block in BLOCKS:
        if block.kind == "not run":
            print(f"{block.where}: not run: {block.claim}")
    assert counts["not run"] <= MOST_NOT_RUN
