"""A first mapping from names and samples: it imports as it is, and names what it left open."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from models.errors import BadDataset
from training.commands import app
from training.importing.guess.guess import Guess, guess_mapping
from training.importing.import_dataset import import_dataset
from training.log.dataset import Dataset, read_dataset


def guessed(folder: Path, files: Mapping[str, str], *names: str) -> tuple[Guess, Dataset]:
    """Write `files`, guess a mapping of them or of `names`, and import by it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    found = guess_mapping([str(folder / name) for name in names or files], folder)
    (folder / "mapping.toml").write_text(found.text, encoding="utf-8")
    import_dataset(
        folder / "mapping.toml",
        folder / "out",
        source_dir=folder,
        reject_file=folder / "rejects.csv",
        max_rejects=0.0,
    )
    return found, read_dataset(folder / "out")


EVENTS = ("namespace", "identifier", "type", "item", "quantity")
SALES = [
    "customer_id,product_id,quantity,price_eur,order_date\n",
    "Kundennr;Artikelnummer;Menge;Einzelpreis EUR;Kaufdatum\n",
    "id_cliente;código_producto;cantidad;precio_eur;fecha\n",
    "Client\tRéférence Produit\tQuantité\tPrix EUR\tDate\n",
    "codice cliente|codice articolo|quantità|prezzo eur|data\n",
    "CustomerID,StockCode,Quantity,UnitPriceEUR,InvoiceDate\n",
]


@pytest.mark.parametrize("header", SALES)
def test_a_table_of_sales_in_any_language(tmp_path: Path, header: str) -> None:
    """Customer, item, quantity, price and time are known by what they are called."""
    sign = next(sign for sign in ";\t|," if sign in header)
    rows = [["17", "a1", "2", "3.50", "2025-01-02"], ["18", "b2", "1", "0.80", "2025-01-03"]]
    text = header + "".join(sign.join(row) + "\n" for row in rows)
    found, dataset = guessed(tmp_path, {"export.csv": text})
    assert dataset.events.select(EVENTS).rows() == [
        ("user", "17", "purchase", "a1", 2.0),
        ("user", "18", "purchase", "b2", 1.0),
    ]
    assert dataset.events["currency"].to_list() == ["EUR", "EUR"]
    assert dataset.events["amount_units"].to_list() == [7, 0]
    assert found.undecided == [
        "times have no zone and are read in UTC: say which zone they are in",
        "export.csv: nothing says where it happened: the channel is web",
    ]


def test_a_log_of_events_with_types(tmp_path: Path) -> None:
    """Values of a type are known by their words; those that are not are left out, and named."""
    text = (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433224214164,992329,addtocart,248676,\n"
        "1433224244282,992329,transaction,248676,4000\n"
        "1433224299999,992329,scroll,248676,\n"
    )
    found, dataset = guessed(tmp_path, {"events.csv": text})
    assert dataset.events.select(EVENTS[:4]).rows() == [
        ("cookie", "257597", "view", "355908"),
        ("cookie", "992329", "add_to_cart", "248676"),
        ("cookie", "992329", "purchase", "248676"),
    ]
    assert dataset.events["receipt"].to_list() == [None, None, "4000"]
    assert 'events.csv: rows with event of ["scroll"] are left out' in found.undecided


def test_properties_of_items_become_features(tmp_path: Path) -> None:
    """A table of a property a row gives each item the latest value of each property."""
    events = "timestamp,visitorid,event,itemid\n" + "".join(
        f"143322133211{n},25759{n},view,{n}\n" for n in range(6)
    )
    rows = "".join(
        f"14332213{when},{item},{name},{name[0]}{item % 3 + when}\n"
        for item in range(6)
        for when in (1, 2)
        for name in ("categoryid", "available")
    )
    found, dataset = guessed(
        tmp_path,
        {"events.csv": events, "item_properties.csv": "timestamp,itemid,property,value\n" + rows},
    )
    assert dataset.items["features"].to_list() == [
        f'{{"available":"a{item % 3 + 2}","categoryid":"c{item % 3 + 2}"}}' for item in range(6)
    ]
    assert any("properties" in text for text in found.undecided)


def test_ratings_count_from_high_ones_on(tmp_path: Path) -> None:
    """Of a table of ratings the best are views, and that is named as a choice."""
    text = "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,32,5.0,1260759179\n"
    found, dataset = guessed(tmp_path, {"ratings.csv": text})
    assert dataset.events.select("type", "item").rows() == [("view", "32")]
    assert any("only the best, from 4 on" in text for text in found.undecided)


def test_sessions_stand_for_customers_where_there_are_none(tmp_path: Path) -> None:
    """A log of sessions alone makes each a customer, and says so."""
    text = "session_id,timestamp,item_id\n1,2014-04-07T10:51:09.277Z,214536502\n2,2014-04-08,3\n"
    found, dataset = guessed(tmp_path, {"clicks.csv": text})
    assert dataset.events.select("namespace", "type").unique().rows() == [("cookie", "view")]
    assert "clicks.csv: each session_id is a customer of its own, as no column names customers" in (
        found.undecided
    )


def test_tables_of_items_and_customers_beside_events(tmp_path: Path) -> None:
    """What describes items and customers is found, and what is neither is told as not used."""
    products = "id,name,category,tags,is_new,weight,price_eur\n" + "".join(
        f"p{n},Thing number {n},{'toys' if n % 2 else 'books'},red|{'big' if n % 3 else 'small'},"
        f"{n % 2},{n}.25,{n}.99\n"
        for n in range(30)
    )
    files = {
        "orders.csv": "user,product,at\n"
        + "".join(f"{n},p{n},2025-01-{n + 1:02}\n" for n in range(30)),
        "products.csv": products,
        "users.csv": "user_id,country\n"
        + "".join(f"{n},{'AT' if n % 2 else 'DE'}\n" for n in range(30)),
        "holidays.csv": "day,holiday\n2025-01-01,New Year\n",
    }
    found, dataset = guessed(tmp_path, files)
    item = dataset.items.filter(pl.col("item") == "p1").row(0, named=True)
    assert item["title"] == "Thing number 1"
    assert item["features"] == '{"category":"toys","is_new":"yes","tags":["red","big"]}'
    assert (item["price_units"], item["currency"]) == (1, "EUR")
    assert dataset.tables["customers"].height == 30
    assert [text.partition(":")[0] for text in found.unused] == ["holidays.csv"]


def test_refunds_services_and_strangers(tmp_path: Path) -> None:
    """Refunds come back; postage, lines of nobody and of nothing are left out, and all is named."""
    rows = [f"5363{n},8512{n},LAMP NUMBER {n},6,01/12/2010 08:26,2.55,1785{n}\n" for n in range(9)]
    rows += [
        "C5364,85121,LAMP NUMBER 1,-6,13/12/2010 08:26,2.55,17851\n",
        "53650,POST,POSTAGE,1,13/12/2010 08:26,18,17852\n",
        "53651,85121,LAMP NUMBER 1,3,13/12/2010 08:26,2.55,\n",
        "53652,85121,LAMP NUMBER 1,0,13/12/2010 08:26,2.55,17852\n",
    ]
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
    found, dataset = guessed(tmp_path, {"shop.csv": header + "".join(rows)})
    types = dict(dataset.events["type"].value_counts().iter_rows())
    assert types == {"purchase": 9, "return": 1}
    assert dataset.events["time"].dt.month().unique().to_list() == [12]
    back = dataset.events.filter(pl.col("type") == "return")
    assert back.select("item", "quantity", "receipt").rows() == [("85121", 6.0, "C5364")]
    named = "\n".join(found.undecided)
    for word in ("POST", "have no CustomerID", 'Quantity of ["0"]', "below 0", "currency"):
        assert word in named, named


def test_a_day_or_a_month_is_named(tmp_path: Path) -> None:
    """Where nothing shows whether day or month comes first, the mapping says so, aloud."""
    text = "customer,item,date\n1,a,03/04/2025\n2,b,05/06/2025\n"
    found, dataset = guessed(tmp_path, {"sales.csv": text})
    assert [(moment.day, moment.month) for moment in dataset.events["time"]] == [(3, 4), (5, 6)]
    assert any("may be two days" in text for text in found.undecided)


def test_a_file_without_a_header_is_known_by_its_values(tmp_path: Path) -> None:
    """Times, types, customers and items are told apart by their values, and that is named."""
    rows = "".join(
        f"{n % 90},{n * 37 % 200},{'view' if n % 3 else 'buy'},{1438102623 + n * 3600}\n"
        for n in range(400)
    )
    found, dataset = guessed(tmp_path, {"log.csv": rows})
    assert dataset.events["identifier"].n_unique() == 90
    assert set(dataset.events["type"]) == {"view", "purchase"}
    assert "log.csv: the file has no header: give its columns their names" in found.undecided


@pytest.mark.parametrize("names", [("days",), ("days/1.csv", "days/2.csv")])
def test_files_of_one_shape_are_one_table(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A folder, or files that a shell lists, become one block where their columns are the same."""
    files = {
        "days/1.csv": "customer,item,date\n1,a,2025-01-01\n",
        "days/2.csv": "date,item,customer\n2025-01-02,b,2\n",
    }
    found, dataset = guessed(tmp_path, files, *names)
    assert found.text.count("[[events]]") == 1
    assert dataset.events["item"].to_list() == ["a", "b"]


def test_files_of_one_shape_that_say_what_happened_are_two(tmp_path: Path) -> None:
    """Files with the same columns are tables of their own where their names say what happened."""
    files = {
        "views.csv": "customer,item,date\n1,a,2025-01-01\n",
        "purchases.csv": "customer,item,date\n1,a,2025-01-02\n",
    }
    _, dataset = guessed(tmp_path, files)
    assert dataset.events["type"].to_list() == ["view", "purchase"]


def test_date_and_time_of_day_in_two_columns(tmp_path: Path) -> None:
    """A column of dates and one of times of day are one time."""
    text = "kunde;artikel;datum;uhrzeit\n1;a;02.01.2025;10:30\n2;b;03.01.2025;11:45\n"
    _, dataset = guessed(tmp_path, {"kasse.csv": text})
    assert [f"{moment:%d %H:%M}" for moment in dataset.events["time"]] == ["02 10:30", "03 11:45"]


def test_one_encoding_is_taken_and_named(tmp_path: Path) -> None:
    """Text that is not UTF-8 is read as one that fits, and the mapping shows a word of it."""
    (tmp_path / "a.csv").write_bytes("kunde;artikel;datum\n1;Äpfel;2025-01-02\n".encode("cp1252"))
    found, dataset = guessed(tmp_path, {}, "a.csv")
    assert dataset.events["item"].to_list() == ["Äpfel"]
    assert any("cp1252: does 'Äpfel' read right?" in text for text in found.undecided)


def test_what_has_no_customers_is_told(tmp_path: Path) -> None:
    """Without a column of customers there is no mapping, but one line that names the columns."""
    with pytest.raises(BadDataset, match="no column of customers found among price, weight"):
        guessed(tmp_path, {"a.csv": "price,weight\n1,2\n"})


def test_the_command_writes_and_tells(tmp_path: Path) -> None:
    """--guess writes the mapping to a new file or to standard output; --schema prints all keys."""
    data, out = tmp_path / "sales.csv", tmp_path / "sales.toml"
    data.write_text("customer,item,date\n1,a,2025-01-01\n")
    done = CliRunner().invoke(app, ["import", "--guess", str(data), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "To decide (2)" in done.stderr
    again = CliRunner().invoke(app, ["import", "--guess", str(data), "--out", str(out)])
    assert isinstance(again.exception, FileExistsError)
    printed = CliRunner().invoke(app, ["import", "--guess", str(data)])
    assert "[[events]]" in printed.stdout
    done = CliRunner().invoke(app, ["import", str(out), "--out", str(tmp_path / "dataset")])
    assert done.exit_code == 0, done.output
    schema = CliRunner().invoke(app, ["import", "--schema"])
    assert schema.exit_code == 0
    assert "below_zero" in schema.stdout
    assert "skipped_hour" in schema.stdout
    assert CliRunner().invoke(app, ["import"]).exit_code == 2
