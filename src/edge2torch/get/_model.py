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

    from edge2torch.nn import EdgeModel


def model(adata: AnnData, *, key: str = _keys.DEFAULT) -> tuple[EdgeModel, CompileArtifact]:
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
    with torch.random.fork_rng():  # initial weights are drawn, then replaced
        rebuilt, artifact = compile_graph(_slots.graph_table(adata, key)[["source", "target"]], **settings, quiet=True)
    if artifact.fingerprint != str(stored["fingerprint"]):
        raise Edge2TorchError(
            f"adata.uns[{key!r}]['graph'] is not the graph that the model was trained on: run e2t.tl.fit again"
        )
    rebuilt.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in stored["state"].items()})
    return rebuilt.eval(), artifact


def describe_model(trained: EdgeModel, **settings: Any) -> dict[str, Any]:
    """Turn a model into what :func:`model` reads: plain arrays and text.

    Parameters
    ----------
    trained
        The model.
    **settings
        Arguments of :func:`edge2torch.compile_graph` that it was made with.
    """
    return {
        "fingerprint": trained.fingerprint,
        "settings": {name: value for name, value in settings.items() if value is not None},
        "state": {name: value.detach().cpu().numpy().copy() for name, value in trained.state_dict().items()},
    }
