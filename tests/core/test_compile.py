"""From an edge list to a model and the names behind it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from edge2torch import Edge2TorchError, compile_graph


def test_artifact(edges, model, artifact):
    assert artifact.backend == "feedforward"
    assert artifact.feature_names == artifact.input_nodes == ["a", "b", "c"]
    assert artifact.hidden_nodes == ["g", "h", "k"]
    assert artifact.output_nodes == ["early", "late"]
    assert artifact.node_names_by_layer == {
        "layer_0": ["a", "b", "c"],
        "layer_1": ["g", "h"],
        "layer_2": ["early", "k"],
        "layer_3": ["late"],
    }
    pd.testing.assert_frame_equal(artifact.graph.edges, edges)
    assert artifact.fingerprint == model.fingerprint == artifact.graph.fingerprint
    assert len(artifact.fingerprint) == 64


def test_artifact_cannot_be_rebound(artifact):
    with pytest.raises(dataclasses.FrozenInstanceError):
        artifact.feature_names = ["b", "a", "c"]


def test_edge_list_may_change_afterwards(edges):
    own = edges.copy()
    _, artifact = compile_graph(own, quiet=True)
    own.loc[0, "source"] = "changed"
    pd.testing.assert_frame_equal(artifact.graph.edges, edges)


def test_reproducible(edges):
    def weights(seed: int, **options: object) -> torch.Tensor:
        torch.manual_seed(seed)
        model, _ = compile_graph(edges, quiet=True, **options)
        return model.edge_weights().detach()

    with torch.random.fork_rng():
        first = weights(1)
        assert torch.equal(weights(1), first)
        assert torch.equal(weights(1, activation="relu", dropout=0.5, bias=False), first)
        assert not torch.isin(weights(2), first).any()


def test_only_torch_generator_is_used(edges):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 - the global generator
    compile_graph(edges, quiet=True)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_positional_arguments(edges):
    """As in the tutorial of the original: edge list and backend; everything else by keyword."""
    _, artifact = compile_graph(edges, "feedforward", quiet=True)
    assert artifact.backend == "feedforward"
    with pytest.raises(TypeError, match="positional"):
        compile_graph(edges, "feedforward", True)


@pytest.mark.parametrize("backend", ["feed forward", "transformer", "", None, 3])
def test_unknown_backend(backend, edges):
    with pytest.raises(Edge2TorchError, match=r"backend=.* is unknown; the choices are 'feedforward'"):
        compile_graph(edges, backend, quiet=True)


def test_bad_edge_list():
    with pytest.raises(Edge2TorchError, match="lacks the columns 'target'"):
        compile_graph(pd.DataFrame({"source": ["a"]}), quiet=True)


@pytest.mark.parametrize("backend", ["feedforward", "recurrent", "graphnn"])
@pytest.mark.parametrize("column", ["source", "target"])
def test_names_that_no_encoding_can_hold(column, backend):
    """From a file that was read with ``errors="surrogateescape"``; no file could hold the model."""
    edges = pd.DataFrame({"source": ["a", "b", "c"], "target": ["x", "y", "z"]}, dtype=object)
    edges.loc[[0, 2], column] = ["gene \udce41", "gene \udce42"]
    message = rf"\['{column}'\] has 2 names that are not valid Unicode text: 'gene \\udce41', 'gene \\udce42'"
    with pytest.raises(Edge2TorchError, match=message):
        compile_graph(edges, backend, quiet=True)


@pytest.mark.parametrize("bad", [{"backend": "x"}, {"dropout": 2}, {"activation": "x"}], ids=str)
def test_errors_come_before_anything_happens(bad, edges, capsys):
    before = torch.get_rng_state()
    with pytest.raises(Edge2TorchError):
        compile_graph(edges, **bad)
    assert torch.equal(torch.get_rng_state(), before)
    assert capsys.readouterr().out == ""


def test_trains_like_any_module(model):
    """``early`` sees c through one ReLU, ``late`` all features: both can learn these targets."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 3, generator=generator)
    y = torch.stack([2 * x[:, 2].clamp(min=0) - 1, x[:, 0] - x[:, 2]], dim=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
