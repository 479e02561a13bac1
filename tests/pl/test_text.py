from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge2torch.pl._text import text_size, wrap, wrap_all

LONG = (
    "Regulation of Insulin-like Growth Factor (IGF) transport and uptake by "
    "Insulin-like Growth Factor Binding Proteins (IGFBPs)"
)
names = st.text(st.sampled_from("abcXYZ0($)αβ _/-"), min_size=1, max_size=150).filter(lambda text: text.strip() == text)


@given(names, st.integers(8, 60), st.integers(1, 4))
def test_wrapped_text_fits(text, width, lines):
    wrapped = wrap(text, width, lines).split("\n")
    assert len(wrapped) <= lines
    assert max(map(len, wrapped)) <= width


@given(names, st.integers(150, 200))
def test_text_that_fits_stays(text, width):
    assert wrap(text, width, 1) == text


@given(names, st.integers(8, 60))
def test_nothing_is_lost_without_a_limit(text, width):
    assert wrap(text, width).replace("\n", "").replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(("width", "lines"), [(60, 1), (22, 4), (30, 2), (12, 1)])
def test_both_ends_stay(width, lines):
    wrapped = wrap(LONG, width, lines)
    assert wrapped.startswith("Regul")
    assert wrapped.endswith("BPs)")
    assert "…" in wrapped


def test_one_word_that_is_too_long():
    assert wrap("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 9, 1) == "ABCD…WXYZ"


def test_lines_end_after_underscores():
    assert wrap("HALLMARK_INTERFERON_GAMMA_RESPONSE", 22, 3) == "HALLMARK_INTERFERON_\nGAMMA_RESPONSE"


def test_labels_stay_different():
    """Names that differ only in the middle keep it."""
    texts = [f"Regulation of the assembly of {part} by transport in the late phase of mitosis" for part in "abc"]
    texts += texts[:1]  # two nodes may have one label
    wrapped = wrap_all(texts, 40, 1)
    assert len(set(wrapped)) == 3
    assert wrapped[0] == wrapped[-1]
    assert all("…" not in text for text in wrapped)


def test_size_of_a_text():
    width, height = text_size("abc", 10)
    assert text_size("abc\nabc", 10) == (width, 2 * height)
    assert text_size("abc", 20)[0] == pytest.approx(2 * width, rel=0.02)
    assert text_size("$abc$", 10)[0] > width  # no formula
    assert text_size("abc", 10, "bold")[0] > width
