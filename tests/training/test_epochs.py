"""The best epoch of each replicate, and when it stops, whatever the losses are and wherever training is resumed."""

from __future__ import annotations

import copy
import math
import warnings
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edge2torch import Edge2TorchError
from edge2torch.training import NUMBERS, Learner, Loss
from edge2torch.training.epochs import Epochs

#: losses of the validation; ``None`` where there was none
losses = st.sampled_from([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, None] * 3 + [math.nan, math.inf])
runs = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(losses, min_size=n, max_size=n), min_size=1, max_size=12)  # epochs x replicates
)


def expected(values, patience, min_epochs):
    """Best epoch (-1: none), number of epochs and whether it failed, of one replicate."""
    best, best_epoch, validated = math.inf, -1, -1
    for epoch, value in enumerate(values):
        if value is not None and not math.isfinite(value):
            return best_epoch, epoch + 1, True
        if value is not None:
            validated = epoch
            if value < best:
                best, best_epoch = value, epoch
        if epoch + 1 >= min_epochs and best_epoch >= 0 and validated - best_epoch >= patience:
            return best_epoch, epoch + 1, False
    return best_epoch, len(values), False


def make_learner(n):
    learner = Learner([nn.Linear(1, 1) for _ in range(n)], Loss(NUMBERS), lr=1.0, weight_decay=0.0)
    learner.mean_losses = lambda of: (sums := getattr(learner, of))[:, 0] / sums[:, 1]
    return learner


def make_trainer(min_epochs):
    loop = SimpleNamespace(min_epochs=min_epochs, epoch_loop=SimpleNamespace(min_steps=None))
    return SimpleNamespace(
        current_epoch=0, min_epochs=min_epochs, min_steps=None, should_stop=False, enable_validation=True, fit_loop=loop
    )


def go_through(epochs, learner, run, first, *, min_epochs, again=False):
    trainer = make_trainer(min_epochs)
    trainer.current_epoch = trainer.global_step = first
    epochs.on_train_start(trainer, learner)
    for epoch in range(first - again, len(run)):  # Lightning may end the last epoch of before once more
        if trainer.should_stop:
            break
        trainer.current_epoch = trainer.global_step = epoch
        known = [[0.0, 0.0] if value is None else [value, 1.0] for value in run[epoch]]
        learner.train_sums = torch.ones(len(known), 2)
        learner.val_sums = torch.tensor(known)
        for k, model in enumerate(learner.models):
            if learner.learning[k] and epoch >= first:
                nn.init.constant_(model.weight, epoch)
        epochs.on_train_epoch_end(trainer, learner)
    epochs.on_train_end(trainer, learner)


def check(epochs, learner, run, patience, min_epochs):
    n = len(run[0])
    right = [expected([epoch[k] for epoch in run], patience, min_epochs) for k in range(n)]
    assert epochs.best_epoch == [best for best, _, _ in right]
    assert [sum(row["replicate"] == k for row in epochs.history) for k in range(n)] == [
        length for _, length, _ in right
    ]
    assert sorted(epochs.failed) == [k for k in range(n) if right[k][2]]
    if min(epochs.best_epoch) < 0:
        with pytest.raises(Edge2TorchError, match=r"no epoch was validated|the loss was no number in epoch \d"):
            epochs.restore_best(learner)
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        epochs.restore_best(learner)
    assert len(caught) == len(epochs.failed)
    assert [model.weight.item() for model in learner.models] == epochs.best_epoch


@settings(deadline=None, max_examples=150)
@given(run=runs, patience=st.integers(1, 4), min_epochs=st.sampled_from([0, 4, 9]))
def test_best_epoch_and_end_of_each_replicate(run, patience, min_epochs):
    epochs, learner = Epochs(len(run[0]), patience), make_learner(len(run[0]))
    go_through(epochs, learner, run, 0, min_epochs=min_epochs)
    check(epochs, learner, run, patience, min_epochs)


@settings(deadline=None, max_examples=150)
@given(
    run=runs,
    patience=st.integers(1, 4),
    min_epochs=st.sampled_from([0, 4]),
    cut=st.integers(1, 11),
    again=st.booleans(),
)
def test_resumed_anywhere_it_is_the_same(run, patience, min_epochs, cut, again):
    n = len(run[0])
    before, learner = Epochs(n, patience), make_learner(n)
    go_through(before, learner, run[:cut], 0, min_epochs=min_epochs)
    epochs, resumed = Epochs(n, patience), make_learner(n)
    epochs.load_state_dict(copy.deepcopy(before.state_dict()))
    resumed.models.load_state_dict(learner.models.state_dict())
    done = max(row["epoch"] for row in epochs.history) + 1
    go_through(epochs, resumed, run, int(done), min_epochs=min_epochs, again=again)
    check(epochs, resumed, run, patience, min_epochs)
