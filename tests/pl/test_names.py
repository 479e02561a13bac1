from __future__ import annotations

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text

from edge2torch.pl._names import place_names

WORDS = st.text("abc _-/αΩ", min_size=1, max_size=40).filter(lambda text: text.strip() == text)
PLACE = st.floats(0, 1)


def scattered(places):
    _, ax = plt.subplots(figsize=(4, 3))
    ax.scatter(*np.transpose(places))
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.1, 1.1))
    return ax


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(WORDS, PLACE, PLACE), min_size=1, max_size=12), st.integers(0, 12))
def test_no_name_lies_over_another_or_leaves_the_frame(names, n):
    ax = scattered([(x, y) for _, x, y in names])
    written = place_names(ax, names, n)
    assert list(ax.texts) == written
    assert len(written) <= n
    ax.figure.canvas.draw()
    frame, boxes = ax.get_window_extent(), [Text.get_window_extent(text) for text in written]
    assert all(frame.contains(*box.min) and frame.contains(*box.max) for box in boxes)
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    plt.close(ax.figure)


@pytest.mark.parametrize("n", [1, 4])
def test_the_first_names_are_written(n):
    names = [(f"name {k}", 0.15 + 0.2 * (k % 4), 0.2 + 0.3 * (k // 4)) for k in range(12)]
    written = place_names(scattered([(x, y) for _, x, y in names]), names, n)
    assert [text.get_text() for text in written] == [name for name, _, _ in names[:n]]
    assert [text.xy for text in written] == [(x, y) for _, x, y in names[:n]]


def test_names_stay_off_dots_and_far_ones_have_a_line():
    crowd = [(0.5 + x / 40, 0.5 + y / 40) for x in range(-4, 5) for y in range(-4, 5)]
    ax = scattered(crowd)
    (text,) = place_names(ax, [("in the crowd", 0.5, 0.5)], 1)
    assert text.arrow_patch is not None
    ax = scattered([(0.5, 0.5)])
    (text,) = place_names(ax, [("alone", 0.5, 0.5)], 1)
    assert text.arrow_patch is None


def test_places_are_the_same_every_time():
    rng = np.random.default_rng(0)
    names = [(f"pathway number {k}", *rng.random(2)) for k in range(40)]
    runs = [place_names(scattered([(x, y) for _, x, y in names]), names, 30) for _ in range(2)]
    assert [(t.get_text(), t.get_position()) for t in runs[0]] == [(t.get_text(), t.get_position()) for t in runs[1]]
    boxes = [text.get_window_extent() for text in runs[0]]  # with the lines
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
