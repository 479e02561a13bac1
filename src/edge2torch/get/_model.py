"""``e2t.get.model``, and what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edge2torch import _keys, _slots
from edge2torch._checks import check_whole
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.nn import EdgeModel


def model(
    adata: AnnData | MuData, *, replicate: int = 0, key: str = _keys.DEFAULT
) -> tuple[EdgeModel, CompileArtifact]:
    """Rebuild a trained model.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.fit`, from this session or from a file.
    replicate
        Which of the models that were trained side by side, from 0.
    key
        Name of the result.

    Returns
    -------
    The model, in evaluation mode and on the CPU, and the names behind it, as from :func:`edge2torch.compile_graph`.

    Raises
    ------
    Edge2TorchError
        If there is no such model, or the graph was changed after it was trained.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> model, artifact = e2t.get.model(adata)
    >>> model(e2t.align_features_to_input_nodes(adata, artifact)).shape
    torch.Size([700, 10])
    """
    rebuilt, artifact = models(adata, key=key)
    check_whole("replicate", replicate, least=0)
    if replicate >= len(rebuilt):
        raise Edge2TorchError(
            f"replicate={replicate}, but there are {len(rebuilt)} replicates, from 0: see n_replicates of e2t.tl.fit"
        )
    return rebuilt[replicate], artifact


def models(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> tuple[list[EdgeModel], CompileArtifact]:
    """Rebuild all replicates of the trained model, see :func:`model`."""
    stored = _slots.results(adata, key, _keys.MODEL, "e2t.tl.fit")
    table = _slots.graph_table(adata, key)
    edges = table[[name for name in ("source", "target", "initial_weight", "constraint") if name in table]]
    return rebuild(stored, edges, f"adata.uns[{key!r}]['graph']")


def rebuild(stored: Mapping[str, Any], edges: pd.DataFrame, where: str) -> tuple[list[EdgeModel], CompileArtifact]:
    """Rebuild replicates from what :func:`describe_models` made of them.

    Parameters
    ----------
    stored
        What it made.
    edges
        The edge list that they were compiled from.
    where
        What holds it, for messages.
    """
    settings = {
        name: value.item() if isinstance(value, np.generic) else value for name, value in stored["settings"].items()
    }
    with torch.random.fork_rng():  # initial weights are drawn, then replaced
        rebuilt, artifact = compile_graph(edges, **settings, quiet=True)
    if artifact.fingerprint != str(stored["fingerprint"]):
        raise Edge2TorchError(f"{where} is not the graph that the model was trained on: run e2t.tl.fit again")
    state = {name: torch.from_numpy(np.array(value)) for name, value in stored["state"].items()}
    rebuilt = rebuilt.float()  # whatever torch's default is
    replicates = [rebuilt, *(deepcopy(rebuilt) for _ in range(1, len(state["identity"])))]
    for k, replicate in enumerate(replicates):
        replicate.load_state_dict({name: value[k] for name, value in state.items()})
        replicate.eval()
    return replicates, artifact


def describe_models(trained: Sequence[EdgeModel], artifact: CompileArtifact) -> dict[str, Any]:
    """Turn replicates of a model into what :func:`models` reads: text, and arrays with an entry per replicate.

    All their activations must be given by name.
    """
    states = [replicate.state_dict() for replicate in trained]
    return {
        "fingerprint": trained[0].fingerprint,
        "settings": {name: value for name, value in artifact.settings.items() if value is not None},
        "state": {name: np.stack([state[name].detach().cpu().numpy() for state in states]) for name in states[0]},
    }
