"""The guess of files as other programs write them: their words, signs, ids, times and types."""

import json
from pathlib import Path

import pytest

from models.errors import BadDataset
from tests.support.imports import guessed
from training.importing.guess.guess import guess_mapping
from training.importing.guess.words import score

DAYS = 25


def rows(line: str, count: int = 80) -> str:
    """Return lines of customers, items and days, filled into `line`."""
    return "".join(
        line.format(who=n % 8 + 1, what=n % 6 + 1, day=n % DAYS + 1, n=n) + "\n"
        for n in range(count)
    )


@pytest.mark.parametrize(
    ("customer", "item"),
    [
        *(("user_id", "business_id"), ("student", "item"), ("reviewerID", "venue")),
        *(("reader", "shop"), ("Listener ID", "place"), ("alumno", "curso"), ("joueur", "jeu")),
        *(("user_id:token", "item_id:token"), ("Spieler", "Spiel"), ("lezer", "boek")),
    ],
)
def test_more_words_for_customers_and_items(tmp_path: Path, customer: str, item: str) -> None:
    """Columns are known by many more words, and by those that carry the type of the column."""
    text = f"{customer},{item},time\n" + rows("u{who},p{what},2025-01-{day:02}")
    _, dataset = guessed(tmp_path, {"a.csv": text})
    assert dataset.events["identifier"].n_unique() == 8
    assert dataset.events["item"].n_unique() == 6


def test_weak_words_give_way() -> None:
    """A word that much else is called by says less than any usual one; parts of words nothing."""
    assert 0 < score("author", "customer") < score("user", "customer")
    assert 0 < score("shop", "item") < score("products", "item")
    assert not score("revenue", "item")
    assert not score("placement", "item")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("book_id,name,author\n" + rows("{n},Title {n},a{who}", 30), "what items are"),
        ("user_id,age,job\n" + rows("{n},{day},j{who}", 30), "what customers are"),
        (rows("{n}|A Title {n}|01-Jan-1995|0|{who}", 30), "what things are"),
    ],
)
def test_a_lone_table_of_things_is_told_as_one(tmp_path: Path, text: str, told: str) -> None:
    """What describes things, one a row, is not taken for what somebody did with them."""
    with pytest.raises(BadDataset, match=f"{told}, not who did something"):
        guessed(tmp_path, {"things.csv": text})


def test_files_without_headers_beside_events(tmp_path: Path) -> None:
    """Of a folder without headers the events are taken, and the other files named."""
    ratings = "".join(
        f"{u}::{i}::{3 + (u + i) % 3}::{978300760 + u * 100 + i}\n"
        for u in range(1, 30)
        for i in range(1, 12)
        if u * i % 3
    )
    files = {
        "ml/ratings.dat": ratings,
        "ml/movies.dat": "".join(f"{i}::Toy Story {i}::Animation|Comedy\n" for i in range(1, 12)),
        "ml/users.dat": "".join(f"{u}::{'FM'[u % 2]}::{18 + u}::10\n" for u in range(1, 30)),
    }
    (tmp_path / "ml").mkdir()
    (tmp_path / "ml" / "logo.png").write_bytes(b"\x89PNG\x00\x00")
    found, dataset = guessed(tmp_path, files, "ml")
    assert dataset.events["identifier"].n_unique() == 29 - 29 // 3
    assert dataset.events["item"].n_unique() == 8
    assert set(dataset.events["type"]) == {"view"}
    assert sorted(text.partition(":")[0] for text in found.unused) == [
        *("logo.png", "movies.dat", "users.dat"),
    ]


def test_numbers_with_a_point_are_ids(tmp_path: Path) -> None:
    """Ids that a program wrote as 5863.0 are those that another one wrote as 5863; it is told."""
    files = {
        "events.csv": "user,item,time\n" + rows("{who},586{what},2025-01-{day:02}"),
        "items.csv": "item,category\n" + "".join(f"586{n}.0,c{n % 3}\n" for n in range(1, 7)),
    }
    found, dataset = guessed(tmp_path, files)
    assert [json.loads(text)["category"] for text in dataset.items["features"]] == [
        f"c{n % 3}" for n in range(1, 7)
    ]
    assert found.unused == []
    assert any(
        text.startswith("items.csv: the ids of item are written") for text in found.undecided
    )


def test_a_matrix_with_a_header_behind_a_sign(tmp_path: Path) -> None:
    """What a program for numbers writes, a header behind # and ids as floats, is read."""
    text = "# user,item,rating\n" + "".join(
        f"{n % 8 + 1:.18e} {n % 6 + 1:.18e} {n % 5 + 1:.18e}\n" for n in range(80)
    )
    _, dataset = guessed(tmp_path, {"bd.txt": text})
    assert set(dataset.events["item"]) <= {str(n) for n in range(1, 7)}


def test_a_few_damaged_times(tmp_path: Path) -> None:
    """A column of times in which a few are none is that of the times, and the others are told."""
    text = "user,item,time\n" + rows("u{who},p{what},{day}-01-2021 07:01")
    found, _ = guessed(tmp_path, {"a.csv": text + "u1,p1,\n"})
    assert 'kind = "timed"' in found.text
    (tmp_path / "b").mkdir()
    with pytest.raises(BadDataset, match="reject"):  # no reject is allowed here
        guessed(tmp_path / "b", {"a.csv": text + "u1,p1,81\nu2,p2,01:21.7\nu3,p3,81\n"})
    told = (tmp_path / "b" / "mapping.toml").read_text()
    assert "3 of 83 rows have in time what is no time" in " ".join(told.replace("# ", "").split())


def test_many_damaged_times_are_told_with_the_remedy(tmp_path: Path) -> None:
    """A column called after times is theirs with half of them; the guess says what to do."""
    text = "student,item,at\n" + "".join(
        f"s{n % 8},p{n % 6},2007-04-{n % 25 + 1:02} {'10:00' if n % 9 else chr(92) + 'N'}\n"
        for n in range(80)
    )
    (tmp_path / "a.csv").write_text(text)
    found = guess_mapping([str(tmp_path / "a.csv")], tmp_path)
    assert 'kind = "timed"' in found.text
    assert any("unless --max-rejects lets them pass" in told for told in found.undecided)


def test_ratings_below_zero(tmp_path: Path) -> None:
    """The best are counted from the worst on where ratings are below 0, and that is told."""
    text = "user,item,rating,time\n" + "".join(
        f"u{n % 8},p{n % 6},{n % 7 - 7},2025-01-{n % DAYS + 1:02}\n" for n in range(70)
    )
    found, dataset = guessed(tmp_path, {"a.csv": text})
    assert dataset.events.height == 20
    assert any("70 are below 0" in told for told in found.undecided)


def test_verbs_of_a_type(tmp_path: Path) -> None:
    """What is done with things rather than bought has a meaning, and most rows are never lost."""
    verbs = ("read", "like", "rent")
    text = "user_id,item_id,feedback_type\n" + "".join(
        f"u{n % 8},i{n % 9},{verbs[n % 3]}\n" for n in range(60)
    )
    _, dataset = guessed(tmp_path, {"feedback.csv": text})
    assert dict(dataset.events["type"].value_counts().iter_rows()) == {"view": 40, "purchase": 20}
    (tmp_path / "b").mkdir()
    text = text.replace("read", "grok").replace("rent", "grok")
    found, dataset = guessed(tmp_path / "b", {"feedback.csv": text})
    assert set(dataset.events["type"]) == {"view"}
    assert dataset.events.height == 60
    assert any("nothing says what grok of feedback_type is" in text for text in found.undecided)


def test_addresses_name_customers(tmp_path: Path) -> None:
    """E-mail addresses are taken where nothing else names customers, and told as personal."""
    text = "Email;Item Name;Purchase Date\n" + rows(
        "u{who}@shop.se;Big Thing {what};04/1{what}/2017"
    )
    found, dataset = guessed(tmp_path, {"a.csv": text})
    assert dataset.events["item"].n_unique() == 6
    assert dataset.events["namespace"].unique().to_list() == ["user"]
    told = "\n".join(found.undecided)
    assert "e-mail addresses, which name persons" in told
    assert "names are taken for ids" in told


def test_hashed_addresses_are_of_their_namespace(tmp_path: Path) -> None:
    """Digests of addresses are what the contract calls email_sha256."""
    text = "email,item,time\n" + rows("{who:064x},p{what},2025-01-{day:02}")
    _, dataset = guessed(tmp_path, {"a.csv": text})
    assert dataset.events["namespace"].unique().to_list() == ["email_sha256"]


def test_values_show_the_customer_where_no_name_does(tmp_path: Path) -> None:
    """Where the item has a name, the other column of ids is the customer, and that is told."""
    text = "pid1;artikel;datum\n" + rows("k{who};a{what};{day:02}.02.2022")
    found, dataset = guessed(tmp_path, {"data.csv": text})
    assert dataset.events["identifier"].n_unique() == 8
    assert "data.csv: nothing but its values says that pid1 is the customer" in found.undecided


def test_a_table_of_things_stays_one_beside_events(tmp_path: Path) -> None:
    """Authors of books and jobs of people make no events of the tables that tell them."""
    files = {
        "loans.csv": "reader,book,time\n" + rows("r{who},b{what},2025-01-{day:02}"),
        "books.csv": "book,author\n" + "".join(f"b{n},a{n % 2}\n" for n in range(1, 7)),
        "readers.csv": "reader,job\n" + "".join(f"r{n},j{n % 2}\n" for n in range(1, 9)),
    }
    found, dataset = guessed(tmp_path, files)
    assert found.text.count("[[events]]") == 1
    assert dataset.items.height == 6
    assert dataset.tables["customers"].height == 8
