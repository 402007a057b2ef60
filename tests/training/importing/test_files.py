"""Files as people have them: signs between fields, encodings, packed ones, folders and patterns."""

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from models.errors import BadDataset
from tests.support.imports import ABOUT, EVENTS, HEADER, rejects, run

ROWS = HEADER + "1,look,2026-01-01,Äpfel\n2,buy,2026-01-02,Brötchen\n"


def imported(folder: Path, mapping: str = ABOUT + EVENTS) -> list[tuple[str, str]]:
    """Return identifier and item of each event of the files in `folder`."""
    _, dataset = run(folder, mapping, {})
    return sorted(dataset.events.select("identifier", "item").rows())


EXPECTED = [("1", "Äpfel"), ("2", "Brötchen")]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".dat"])
def test_what_stands_between_fields_is_found(tmp_path: Path, sign: str, ending: str) -> None:
    """Commas, semicolons, tabs and bars divide fields, whatever the ending says."""
    (tmp_path / f"events{ending}").write_text(ROWS.replace(",", sign), encoding="utf-8")
    assert imported(tmp_path) == EXPECTED


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-8-sig", "utf-8"),
        ("utf-16-le", "utf-16-le"),
        ("cp1252", "cp1252"),
        ("latin-1", "latin-1"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, said: str) -> None:
    """A mark at the beginning tells the encoding; another one than UTF-8 is declared."""
    (tmp_path / "events.csv").write_bytes(ROWS.encode(encoding))
    mapping = ABOUT + EVENTS
    if said:
        mapping = mapping.replace(
            'file = "events"', f'file = "events"\nread = {{ encoding = "{said}" }}'
        )
    assert imported(tmp_path, mapping) == EXPECTED


def test_what_is_not_of_the_encoding_is_told(tmp_path: Path) -> None:
    """The first byte that is not UTF-8 is named with its row, its column and what to say."""
    (tmp_path / "events.csv").write_bytes(ROWS.encode("cp1252"))
    told = r"events\.csv: row 1, column thing: byte 0xc4 is not utf-8; say .* \"cp1252\""
    with pytest.raises(BadDataset, match=told):
        imported(tmp_path)
    mapping = (ABOUT + EVENTS).replace(
        'file = "events"', 'file = "events"\nread = { undecodable = "reject" }'
    )
    (tmp_path / "events.csv").write_bytes(ROWS.replace("Ä", "A").encode("cp1252"))
    assert imported(tmp_path, mapping) == [("1", "Apfel")]
    assert rejects(tmp_path) == [("events.csv", 2, "thing", "not utf-8")]


def zipped(data: bytes) -> bytes:
    """Return a ZIP archive of one file."""
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside.csv", data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("events.csv.gz", gzip.compress),
        ("events.tsv.gz", gzip.compress),
        ("events.gz", gzip.compress),
        ("events.csv.zst", zstandard.compress),
        ("events.csv.bz2", bz2.compress),
        ("events.csv.xz", lzma.compress),
        ("events.zip", zipped),
    ],
)
def test_packed_files(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    """A packed file is read as what is in it, and one that is cut off is told in one line."""
    (tmp_path / name).write_bytes(pack(ROWS.encode()))
    mapping = (ABOUT + EVENTS).replace('file = "events"', f'file = "{name}"')
    assert imported(tmp_path, mapping) == EXPECTED
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / name).write_bytes(pack(ROWS.encode())[:-9])
    with pytest.raises(BadDataset, match="cannot be unpacked"):
        imported(tmp_path / "cut", mapping)


def test_a_file_without_a_header(tmp_path: Path) -> None:
    """The mapping names the columns of a file that does not."""
    (tmp_path / "events.csv").write_text(ROWS.removeprefix(HEADER), encoding="utf-8")
    mapping = (ABOUT + EVENTS).replace(
        'file = "events"',
        'file = "events"\nread = { columns = ["who", "what", "at", "thing"] }',
    )
    assert imported(tmp_path, mapping) == EXPECTED


@pytest.mark.parametrize("name", ["days", "days/*.csv", "**/*.csv"])
def test_folders_and_patterns(tmp_path: Path, name: str) -> None:
    """Files of a folder or a pattern are one table, by the names of their columns."""
    days = tmp_path / "days"
    days.mkdir()
    (days / "1.csv").write_text(HEADER + "1,look,30/04/2026,a\n", encoding="utf-8")
    (days / "2.csv").write_text("thing;at;what;who\nb;01/05/2026;look;2\nb;never;buy;2\n")
    mapping = (ABOUT + EVENTS).replace('file = "events"', f'file = "{name}"')
    done, dataset = run(tmp_path, mapping, {})
    assert [moment.month for moment in dataset.events["time"]] == [4, 5]
    assert [(tally.file, tally.read, tally.kept) for tally in done.rejects.tallies] == [
        ("days/1.csv", 1, 1),
        ("days/2.csv", 2, 1),
    ]
    assert rejects(tmp_path) == [("days/2.csv", 2, "at", "not a time")]


def test_a_row_that_two_files_of_a_folder_tell_is_one(tmp_path: Path) -> None:
    """Exports that overlap tell a row twice: it counts once, in the first file."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(HEADER + "1,look,2026-01-01,a\n")
    mapping = (ABOUT + EVENTS).replace('file = "events"', 'file = "*.csv"')
    done, dataset = run(tmp_path, mapping, {})
    assert dataset.events.height == 1
    assert [(tally.kept, tally.repeated) for tally in done.rejects.tallies] == [(1, 0), (0, 1)]


def test_blanks_around_values_are_cut(tmp_path: Path) -> None:
    """Blanks around a value or a name of a column are none of it, and blanks alone are nothing."""
    text = " who , what,at ,thing\n 1 ,look , 2026-01-01, \u00a0a b \u3000\n2,buy,2026-01-01,  \n"
    _, dataset = run(tmp_path, ABOUT + EVENTS, {"events.csv": text})
    assert dataset.events.select("identifier", "item").rows() == [("1", "a b"), ("2", None)]


def test_texts_that_mean_nothing(tmp_path: Path) -> None:
    """What the mapping calls nothing is no value."""
    mapping = (ABOUT + EVENTS).replace(
        'file = "events"', 'file = "events"\nread = { null = ["NULL", "n/a"] }'
    )
    text = HEADER + "1,look,2026-01-01,NULL\nn/a,look,2026-01-01,a\n"
    _, dataset = run(tmp_path, mapping, {"events.csv": text})
    assert dataset.events.select("identifier", "item").rows() == [("1", None)]


def test_nothing_there_is_told(tmp_path: Path) -> None:
    """An empty folder and a pattern of nothing are refused by what they were."""
    (tmp_path / "days").mkdir()
    for name in ("days", "days/*.csv", "gone.csv", "gone"):
        mapping = (ABOUT + EVENTS).replace('file = "events"', f'file = "{name}"')
        with pytest.raises(FileNotFoundError):
            imported(tmp_path, mapping)
