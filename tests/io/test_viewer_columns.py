"""Columns, and names of gene sets, as cellxgene knows them."""

from __future__ import annotations

import csv
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge2torch.io._viewer_cells import viewer_columns
from edge2torch.io._viewer_genes import HEADER, set_names, write_gene_sets

#: what the server of cellxgene 1.3.0 refuses in the name of a gene set
REFUSED = re.compile(r"^\s|  |[\u0000-\u001F\u007F-\uFFFF]|\s$")


COLUMNS = {
    "bool": ([True, False, True], "bool", [True, False, True]),
    "boolean": (pd.array([True, None, False], dtype="boolean"), "category", ["True", None, "False"]),
    "boolean, full": (pd.array([True, True, False], dtype="boolean"), "bool", [True, True, False]),
    "int64": ([1, 2, -3], "int32", [1, 2, -3]),
    "uint8": (np.array([1, 2, 255], dtype=np.uint8), "int32", [1, 2, 255]),
    "Int64": (pd.array([1, None, 3], dtype="Int64"), "float32", [1, np.nan, 3]),
    "Int64, full": (pd.array([1, 2, 3], dtype="Int64"), "int32", [1, 2, 3]),
    "float64": ([0.1, np.nan, np.inf], "float32", np.array([0.1, np.nan, np.inf], dtype=np.float32)),
    "huge": ([1e300, 0.0, 1.0], "float32", [np.inf, 0, 1]),
    "Float64": (pd.array([0.5, None, 1], dtype="Float64"), "float32", [0.5, np.nan, 1]),
    "objects that are numbers": (np.array([1.5, None, 2], dtype=object), "float32", [1.5, np.nan, 2]),
    "sparse": (pd.arrays.SparseArray([0.0, 0.0, 1.5]), "float32", [0, 0, 1.5]),
    "text": (["b", "a", "b"], "category", ["b", "a", "b"]),
    "string": (pd.array(["b", None, "a"], dtype="string"), "category", ["b", None, "a"]),
    "mixed": (np.array(["b", 1, None], dtype=object), "category", ["b", "1", None]),
    "lists": ([[1], [2], [1]], "category", ["[1]", "[2]", "[1]"]),
    "numbers as categories": (pd.Categorical([2, 10, 2]), "category", ["2", "10", "2"]),
    "categories of one text": (pd.Categorical([1, "1", None]), "category", ["1", "1", None]),
    "intervals": (pd.cut([1, 5, 9], [0, 4, 10]), "category", ["(0, 4]", "(4, 10]", "(4, 10]"]),
    "dates": (pd.to_datetime(["2026-01-02", None, "2026-01-02"]), "category", ["2026-01-02 00:00:00", None] * 2),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_kind_of_column(kind):
    values, dtype, expected = COLUMNS[kind]
    obs = pd.DataFrame({"a": values}, index=["x", "y", "z"])
    found, left_out = viewer_columns(obs, {})
    assert not left_out
    assert found["a"].dtype.name == dtype
    if dtype == "category":
        assert all(type(text) is str for text in found["a"].cat.categories)
        assert found["a"].astype(object).where(found["a"].notna(), None).tolist() == expected[:3]
    else:
        np.testing.assert_array_equal(found["a"], expected)


def test_columns_that_are_left_out():
    obs = pd.DataFrame({"id": np.arange(1200) + 2**40, "name": [f"cell {i}" for i in range(1200)], "kept": 1.0})
    found, left_out = viewer_columns(obs, {})
    assert list(found) == ["kept"]
    assert left_out == ["'id' (numbers beyond 32 bits)", "'name' (1,200 different texts)"]


@given(st.lists(st.text(max_size=12), max_size=8))
def test_names_of_gene_sets_are_allowed_and_differ(names):
    made = set_names(names)
    assert len(set(made)) == len(names)
    assert not [name for name in made if not name or REFUSED.search(name) or name.startswith("#") or not name.isascii()]
    assert set_names(made) == made


field = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=9)


@given(st.lists(st.tuples(field.map(lambda name: set_names([name])[0]), field, field.filter(len), field)))
def test_gene_sets_are_read_as_they_were_written(tmp_path_factory, found):
    """By the dialect with which the server reads them."""
    path = tmp_path_factory.mktemp("sets") / "sets.csv"
    write_gene_sets(path, found)
    assert path.read_bytes().startswith(b"gene_set_name,gene_set_description,gene_symbol,gene_description\r\n")
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file, dialect="excel")) == [list(HEADER), *map(list, found)]
