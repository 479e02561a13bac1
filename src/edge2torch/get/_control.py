"""``e2t.get.control``, and what is stored of control models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.get._model import describe_models, rebuild

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.compile import CompileArtifact
    from edge2torch.nn import EdgeModel

KINDS = ("rewired", "shuffled", "deterministic")


@dataclass(frozen=True, eq=False)
class Control:
    """A control model.

    Attributes
    ----------
    kind
        One of :data:`KINDS`.
    model, artifact
        The model, and its names.
    profile
        Of a ``"deterministic"`` model, see :func:`edge2torch.control.profiles`.
    given
        Of a ``"shuffled"`` model of classes: position of the label that each cell was given, (cells,).
    """

    kind: str
    model: EdgeModel
    artifact: CompileArtifact
    profile: npt.NDArray[np.float32] | None
    given: npt.NDArray[np.int64] | None


def control(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> pd.DataFrame:
    """Get the control models: a prior that predicts no better than its rewired controls explains nothing.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.control`.
    key
        Name of the result.

    Returns
    -------
    A row per model: ``control``, ``kind``, ``random_state``, ``best_epoch`` (whose weights were kept), and how well it
    predicts the test cells, as in :func:`edge2torch.get.metrics`.

    Raises
    ------
    Edge2TorchError
        If there are none.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.control(adata, "shuffled", n=1, progress_bar=False)
    >>> e2t.get.control(adata)[["control", "kind"]].to_numpy().tolist()
    [['shuffled_1', 'shuffled']]
    """
    return pd.DataFrame(_slots.results(adata, key, _keys.CONTROLS, "e2t.tl.control")["table"]).copy()


def describe_control(
    kind: str, model: EdgeModel, artifact: CompileArtifact, profile: npt.NDArray[np.float32] | None
) -> dict[str, Any]:
    """Turn a control model into what :func:`controls` reads."""
    described: dict[str, Any] = describe_models([model], artifact)
    if kind == "rewired":  # all others have the edges of the fit
        described["edges"] = pd.DataFrame(
            {
                name: column.astype("category") if name in ("source", "target", "constraint") else column
                for name, column in artifact.graph.edges[_columns(artifact.graph.edges)].items()
            }
        )
    if profile is not None:
        described["profile"] = profile
    return described


def controls(adata: AnnData | MuData, *, key: str = _keys.DEFAULT) -> Iterator[Control]:
    """Rebuild the control models, one after the other."""
    stored = _slots.results(adata, key, _keys.CONTROLS, "e2t.tl.control")
    own = _slots.graph_table(adata, key)
    numbers = dict.fromkeys(KINDS, 0)
    given = adata.obsm.get(_keys.Keys(key).shuffled)
    for name, kind in pd.DataFrame(stored["table"])[["control", "kind"]].astype(str).itertuples(index=False):
        described = stored["models"][name]
        edges = own
        if "edges" in described:
            edges = pd.DataFrame(described["edges"])
            edges = edges.astype({column: str for column in ("source", "target", "constraint") if column in edges})
        (model,), artifact = rebuild(described, edges[_columns(edges)], f"the graph of control {name!r}")
        labels = None if given is None or kind != "shuffled" else np.asarray(given)[:, numbers[kind]].astype(np.int64)
        yield Control(kind, model, artifact, described.get("profile"), labels)
        numbers[kind] += 1


def _columns(edges: pd.DataFrame) -> list[str]:
    return [name for name in ("source", "target", "initial_weight", "constraint") if name in edges]
