"""The Lightning module: dropout of inputs, the losses of the tasks, and units of what is predicted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge2torch.cells import Cells
from edge2torch.training import CLASSES, LABELS, NUMBERS, Loss, Scale, Target, predict


def test_the_loss_is_the_weighted_mean_of_the_log_probabilities(cells, make_module):
    module = make_module().eval()
    x, y = cells[np.arange(0, 90, 7)]
    with torch.no_grad():
        probability = module.models[0](x).double().exp()
        probability = probability / probability.sum(dim=1, keepdim=True)
        weight = module.loss.weight.double()[y]
        expected = -(weight * probability[torch.arange(len(y)), y].log()).sum() / weight.sum()
        for half in (slice(None, 5), slice(5, None)):
            module.validation_step((x[half], y[half]), 0)
        total, size = module.val_sums[0].double()
        torch.testing.assert_close(total / size, expected, rtol=1e-5, atol=1e-6)


def test_the_optimizer_has_the_settings(make_module):
    optimizer = make_module(lr=0.25, weight_decay=0.125).configure_optimizers()
    assert isinstance(optimizer, torch.optim.Adam)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.25, 0.125)
    assert not optimizer.defaults.get("decoupled_weight_decay", False), "part of the loss"


def test_probabilities(cells, make_module):
    model = make_module().models[0]
    model[1].eval()
    proba = predict([model], cells, CLASSES)[0]
    assert [module.training for module in model] == [True, False, True], "modes are as before"
    logits = model(cells[np.arange(90)][0]).detach().double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert proba.shape == (90, 3)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, expected, rtol=1e-5)
    np.testing.assert_allclose(predict([model], cells, CLASSES, batch_size=7)[0], proba, rtol=1e-6)


def test_probabilities_leave_no_gradients_and_draw_no_random_numbers(cells, make_module):
    model = make_module().models[0]
    before = torch.get_rng_state()
    predict([model], cells, CLASSES)
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)


def test_no_cells_have_no_probabilities(cells, make_module):
    none = Cells(cells.matrix[:0], cells.features, cells.features)
    assert predict(make_module(n=2).models, none, CLASSES).shape == (2, 0, 3)


CLASS_WEIGHT = [0.5, 2.0, 1.0]
OUTPUTS = np.random.default_rng(5).normal(size=(40, 3))
KNOWN = {
    CLASSES: np.arange(40) % 3,
    LABELS: np.random.default_rng(6).integers(0, 2, (40, 3)),
    NUMBERS: np.random.default_rng(7).normal(size=(40, 3)),
}


def naive_loss(task, weight, smoothing):
    """Cell by cell and output by output."""
    total, norm = 0.0, 0.0
    for out, known in zip(OUTPUTS, KNOWN[task], strict=True):
        log_proba = out - np.log(np.exp(out).sum())
        for k in range(3):
            if task == CLASSES:
                share = (1 - smoothing) * (known == k) + smoothing / 3
                total -= weight[k] * share * log_proba[k]
                norm += weight[k] * (known == k)
                continue
            proba = 1 / (1 + np.exp(-out[k]))
            total += (
                (out[k] - known[k]) ** 2
                if task == NUMBERS
                else -np.log(1 - proba) * (1 - known[k]) - weight[k] * known[k] * np.log(proba)
            )
            norm += 1
    return total / norm


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(("task", "smoothing"), [(CLASSES, 0.0), (CLASSES, 0.25), (LABELS, 0.0), (NUMBERS, 0.0)])
def test_the_loss_of_each_task(task, smoothing, weighted):
    weight = CLASS_WEIGHT if weighted else None
    loss = Loss(task, None if weight is None else torch.tensor(weight, dtype=torch.float64), smoothing)
    dtype = torch.int64 if task == CLASSES else torch.float64
    found = loss(torch.tensor(OUTPUTS), torch.tensor(KNOWN[task], dtype=dtype))
    assert np.isclose(found, naive_loss(task, CLASS_WEIGHT if weighted else [1.0] * 3, smoothing))


@pytest.mark.parametrize("task", [CLASSES, LABELS, NUMBERS])
def test_what_outputs_say(cells, make_module, task):
    model = make_module().models[0]
    out = model(cells[np.arange(90)][0]).detach().double().numpy()
    expected = {
        CLASSES: np.exp(out) / np.exp(out).sum(axis=1, keepdims=True),
        LABELS: 1 / (1 + np.exp(-out)),
        NUMBERS: out,
    }
    found = predict([model], cells, task, batch_size=32)[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected[task], rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(
    order=st.permutations(range(4)),
    mean=st.floats(-1e6, 1e6),
    unit=st.floats(1e-3, 1e6),
)
def test_numbers_there_and_back(order, mean, unit):
    values = mean + unit * np.random.default_rng(0).normal(size=(30, 4))
    target, training = Target(NUMBERS, list("abcd"), values), np.arange(30) < 20
    scale = Scale.of(target, training)
    position = np.array(order)
    outputs = target.in_order(position, scale)
    assert outputs.dtype == np.float32
    for k in range(4):
        inside = values[training, k]
        expected = (values[:, k] - inside.mean()) / inside.std()
        np.testing.assert_allclose(outputs[:, position[k]], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scale.restore(outputs[:, position]), values, rtol=0, atol=1e-5 * unit)


@given(order=st.permutations(range(4)))
def test_classes_and_labels_in_the_order_of_the_outputs(order):
    position, none = np.array(order), np.ones(12, dtype=bool)
    codes = np.arange(12) % 4
    classes = Target(CLASSES, list("abcd"), codes)
    assert classes.in_order(position, Scale.of(classes, none)).tolist() == [order[k] for k in codes]
    assert classes.strata.tolist() == codes.tolist()
    marks = np.random.default_rng(0).integers(0, 2, (12, 4)).astype(np.float32)
    labels = Target(LABELS, list("abcd"), marks)
    np.testing.assert_array_equal(labels.in_order(position, Scale.of(labels, none))[:, position], marks)
    assert labels.strata is None


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, -3e-9])
def test_numbers_without_deviation(value):
    """Rounding must not be taken for a deviation by which to divide."""
    for n in range(1, 60):
        target = Target(NUMBERS, ["a"], np.full((n, 1), value))
        scale = Scale.of(target, np.ones(n, dtype=bool))
        assert scale.std.tolist() == [1.0]
        np.testing.assert_allclose(scale.standardise(target.truth), 0, atol=1e-9)
