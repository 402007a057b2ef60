"""Quantities at or below zero, prices by the piece, and rows that are none of these."""

from pathlib import Path

from tests.support.imports import rejects, run

MAPPING = """
[dataset]
kind = "timed"
source = "test"
zone = "UTC"
currency = "EUR"
add_missing_items = true
event_types = { rental = "purchase" }

[[events]]
file = "sales"
namespace.const = "user"
identifier = "who"
type.column = "what"
type.map = { sale = "purchase", rent = "rental", back = "return", cart = "add_to_cart" }
channel.const = "till"
time = "at"
item = "thing"
quantity = "number"
amount = { column = "price", times = "number" }
"""
ROWS = (
    "who,what,at,thing,number,price\n"
    "1,sale,2026-01-01,a,3,0.10\n"
    '1,sale,2026-01-02,a,-2,"0.10"\n'
    "1,rent,2026-01-02,a,-1,5\n"
    "1,sale,2026-01-03,a,0,0.10\n"
    "1,back,2026-01-04,a,-1,0.10\n"
    "1,cart,2026-01-05,a,-1,0.10\n"
    "1,cart,2026-01-06,a,0,0.10\n"
)


def test_what_is_sold_below_zero_comes_back(tmp_path: Path) -> None:
    """Sales below 0 are returns without signs, sales of 0 and carts below 0 are rejects."""
    done, dataset = run(tmp_path, MAPPING, {"sales.csv": ROWS})
    columns = ("type", "quantity", "amount_units", "amount_nanos")
    assert sorted(dataset.events.select(columns).rows()) == [
        ("add_to_cart", 0.0, 0, 0),
        ("purchase", 3.0, 0, 300_000_000),
        ("return", 1.0, 0, 100_000_000),
        ("return", 1.0, 5, 0),
        ("return", 2.0, 0, 200_000_000),
    ]
    told = [(row, column) for _, row, column, _ in rejects(tmp_path)]
    assert told == [(4, "quantity"), (6, "quantity")]
    note = "sales.csv: quantity: 2 purchases of a quantity below 0 are returns"
    assert note in done.rejects.notes


def test_or_it_is_rejected(tmp_path: Path) -> None:
    """With `below_zero = "reject"` sales below 0 are rejects; what is called a return stays one."""
    mapping = MAPPING.replace('quantity = "number"', 'quantity = "number"\nbelow_zero = "reject"')
    _, dataset = run(tmp_path, mapping, {"sales.csv": ROWS})
    assert sorted(dataset.events["type"]) == ["add_to_cart", "purchase", "return"]
    assert [row for _, row, _, _ in rejects(tmp_path)] == [2, 3, 4, 6]


def test_conditions_of_none_of_these(tmp_path: Path) -> None:
    """A condition may be none of some values, that there is one, or what is found in it."""
    for condition, kept in (
        ('{ not = ["a", "b"] }', ["c1", None]),
        ('{ not = "a" }', ["b", "c1", None]),
        ("{ empty = false }", ["a", "b", "c1"]),
        ("{ empty = true }", [None]),
        ('{ not = ["a"], empty = false }', ["b", "c1"]),
        ("{ matches = '^[ab]$' }", ["a", "b"]),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        mapping = MAPPING.replace(
            'file = "sales"', f'file = "sales"\nwhere = {{ thing = {condition} }}'
        )
        text = "who,what,at,thing,number,price\n" + "".join(
            f"1,sale,2026-01-0{day},{thing},1,1\n"
            for day, thing in enumerate(("a", "b", "c1", ""), start=1)
        )
        done, dataset = run(folder, mapping, {"sales.csv": text})
        assert dataset.events["item"].to_list() == kept, condition
        assert done.rejects.tallies[0].skipped == 4 - len(kept)
