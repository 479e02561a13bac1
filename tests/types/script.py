"""What users write, checked by mypy with all its strictness, as ``make types`` does; it is not run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import networkx as nx
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor, nn

import edge2torch as e2t


def cells(adata: AnnData, path: Path) -> pd.DataFrame:
    """From cells to a table, pictures and files."""
    e2t.settings.cache_dir = path
    e2t.pp.build_graph(adata, ["reactome", {"a set": ["CD3E", "CD3D"]}], min_genes=3, exclude={"Disease"})
    e2t.pp.build_graph(adata, pd.DataFrame({"source": ["TF"], "target": ["gene"]}), weights="sign", key_added="tf")
    e2t.tl.fit(adata, "cell_type", n_replicates=3, groups="donor", trainer_kwargs={"devices": 1}, progress_bar=False)
    e2t.tl.interpret(adata, baseline="mean", edges=True)
    e2t.tl.control(adata, ["rewired"], n=3)
    e2t.tl.rank_nodes(adata, donors="donor")
    e2t.tl.perturb(adata, {"TF": 0.0}, mode="clamp")
    assert_type(e2t.get.metrics(adata, per="output"), pd.DataFrame)
    assert_type(e2t.get.edges(adata), pd.DataFrame)
    graph: nx.DiGraph[str] = e2t.get.graph(adata, scores=True)
    model, artifact = e2t.get.model(adata, replicate=1)
    e2t.io.save_model(model, artifact, path / "model.safetensors")
    e2t.io.write_graph(adata, str(path / "graph.cyjs"), group="B cell", nodes=list(graph)[:9])
    e2t.io.write_cellxgene(adata, path / "cells.h5ad", embedding="pca", overwrite=True)
    e2t.pl.nodes(adata, kind="dot", values="z", n_nodes=4, show=False).set_title("nodes")
    e2t.pl.controls(adata, group="B cell", show=False).savefig(path / "controls.png")
    return e2t.get.rank_nodes(adata, "B cell").head()


def plain(edges: pd.DataFrame, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """From an edge list to scores of nodes, without an AnnData."""
    model, artifact = e2t.compile_graph(edges, backend="recurrent", steps=4, activation="tanh", quiet=True)
    assert_type(artifact, e2t.CompileArtifact)
    x = e2t.align_features_to_input_nodes(table, artifact)
    assert_type(x, Tensor)
    network = e2t.customize_model(model, head=nn.Linear(len(artifact.output_nodes), 2))
    optimizer = torch.optim.Adam(network.parameters())
    nn.functional.cross_entropy(network(x), torch.zeros(len(x), dtype=torch.long)).backward()
    optimizer.step()
    try:
        scores = e2t.interpret_model(network, artifact, table, target="nodes", method="LayerConductance")
    except e2t.Edge2TorchError as error:
        raise SystemExit(str(error)) from error
    assert isinstance(scores, dict)
    return scores
