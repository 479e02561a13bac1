"""The Lightning module: dropout of inputs, and the weighted loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edge2torch.training import Classifier, predict_proba


def test_inputs_are_dropped_in_training_only():
    module = Classifier(nn.Identity(), torch.ones(3), lr=1.0, weight_decay=0.0, input_dropout=0.3)
    x = torch.ones(2000, 50)
    assert torch.equal(module.eval()(x), x)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dropped = module.train()(x)
    share = (dropped == 0).float().mean().item()
    assert abs(share - 0.3) < 5 * np.sqrt(0.3 * 0.7 / x.numel())
    torch.testing.assert_close(dropped[dropped != 0].unique(), torch.tensor([1 / 0.7]))


def test_the_loss_is_the_weighted_mean_of_the_log_probabilities(cells, make_module):
    module = make_module().eval()
    x, y = cells[np.arange(0, 90, 7)]
    with torch.no_grad():
        probability = module(x).double().exp()
        probability = probability / probability.sum(dim=1, keepdim=True)
        weight = module.class_weight.double()[y]
        expected = -(weight * probability[torch.arange(len(y)), y].log()).sum() / weight.sum()
        module.log = lambda *_, **__: None  # no trainer here
        torch.testing.assert_close(module.validation_step((x, y), 0).double(), expected, rtol=1e-5, atol=1e-6)


def test_the_optimizer_has_the_settings(make_module):
    optimizer = make_module(lr=0.25, weight_decay=0.125).configure_optimizers()
    assert isinstance(optimizer, torch.optim.Adam)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.25, 0.125)
    assert not optimizer.defaults.get("decoupled_weight_decay", False), "part of the loss"


def test_probabilities(cells, make_module):
    model = make_module().model
    model[1].eval()
    proba = predict_proba(model, cells)
    assert [module.training for module in model] == [True, False, True], "modes are as before"
    logits = model(cells[np.arange(90)][0]).detach().double().numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert proba.shape == (90, 3)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba, expected, rtol=1e-5)
    np.testing.assert_allclose(predict_proba(model, cells, batch_size=7), proba, rtol=1e-6)


def test_probabilities_leave_no_gradients_and_draw_no_random_numbers(cells, make_module):
    model = make_module().model
    before = torch.get_rng_state()
    predict_proba(model, cells)
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)


def test_no_cells_have_no_probabilities(cells, make_module):
    cells.matrix = cells.matrix[:0]
    assert predict_proba(make_module().model, cells).shape == (0, 3)
