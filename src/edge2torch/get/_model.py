"""``e2t.get.model``, and what it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edge2torch import _keys, _slots
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.nn import EdgeModel


def model(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> tuple[EdgeModel, CompileArtifact]:
    """Rebuild the trained model.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.fit`, from this session or from a file.
    key
        Name of the result.

    Returns
    -------
    The model, in evaluation mode and on the CPU, and the names behind it, as from :func:`edge2torch.compile_graph`.

    Raises
    ------
    Edge2TorchError
        If there is no model, or the graph was changed after it was trained.
    """
    stored = _slots.results(adata, key, _keys.MODEL, "e2t.tl.fit")
    settings = {
        name: value.item() if isinstance(value, np.generic) else value for name, value in stored["settings"].items()
    }
    table = _slots.graph_table(adata, key)
    edges = table[[name for name in ("source", "target", "initial_weight", "constraint") if name in table]]
    with torch.random.fork_rng():  # initial weights are drawn, then replaced
        rebuilt, artifact = compile_graph(edges, **settings, quiet=True)
    if artifact.fingerprint != str(stored["fingerprint"]):
        raise Edge2TorchError(
            f"adata.uns[{key!r}]['graph'] is not the graph that the model was trained on: run e2t.tl.fit again"
        )
    rebuilt.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in stored["state"].items()})
    return rebuilt.eval(), artifact


def describe_model(trained: EdgeModel, artifact: CompileArtifact) -> dict[str, Any]:
    """Turn a model, with all activations given by name, into what :func:`model` reads: plain arrays and text."""
    return {
        "fingerprint": trained.fingerprint,
        "settings": {name: value for name, value in artifact.settings.items() if value is not None},
        "state": {name: value.detach().cpu().numpy().copy() for name, value in trained.state_dict().items()},
    }
