"""``e2t.tl.predict``."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from edge2torch import _keys, _slots
from edge2torch._checks import check_number
from edge2torch.get._model import models
from edge2torch.tl._predictions import predicted_slots, scale_of
from edge2torch.tl._query import fitted_cells, loaded_cells
from edge2torch.training import NUMBERS
from edge2torch.training import predict as network_predict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from anndata import AnnData
    from mudata import MuData

    from edge2torch.cells import Cells, LoadedCells


def predict(
    adata: AnnData | MuData,
    reference: AnnData | MuData | None = None,
    *,
    cells: Iterable[Mapping[str, Any]] | None = None,
    min_coverage: float = 0.8,
    key: str = _keys.DEFAULT,
    copy: bool = False,
) -> AnnData | MuData | None:
    """Predict classes, labels or numbers of cells with a trained model.

    Parameters
    ----------
    adata
        Cells to predict, with the genes of the graph under the same names and values made in the same way, in the same
        layer as for :func:`edge2torch.tl.fit`. They are read some at a time, also from a file.
    reference
        AnnData with the trained model; ``None`` for ``adata`` itself.
    cells
        What serves the values, if they are not in ``adata``, as for :func:`edge2torch.tl.fit`.
    min_coverage
        Share of the genes of the model that ``adata`` must have, from 0 to 1. Others are filled with their mean over
        the cells that the model was trained on, ``uns[key]["nodes"]["mean"]``, and a note says which. At least one gene
        must be there.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.

    Returns
    -------
    ``None``, or the copy. Sets ``adata.obs[key + "_pred"]`` (class, or number if there is one) and
    ``adata.obsm[key + "_proba"]`` (probabilities) or ``adata.obsm[key + "_values"]`` (numbers), cells x outputs. With a
    ``reference``, its graph, nodes, params and model are copied to ``adata.uns[key]``, too.

    Raises
    ------
    Edge2TorchError
        If there is no model, or too many of its genes are missing; nothing is written then.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> learned, new = adata[:600].copy(), adata[600:].copy()
    >>> e2t.tl.fit(learned, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.predict(new, learned)
    >>> new.obsm["e2t_proba"].shape
    (100, 10)
    """
    _slots.check_adata(adata, copy=copy)
    source = adata if reference is None else reference
    _slots.check_adata(source, "reference", written=False)
    check_number("min_coverage", min_coverage, below=1 + 1e-9)
    if reference is not None:
        _slots.check_free(adata, key)
    replicates, artifact = models(source, key=key)
    fit_params = _slots.params(source, key, "fit")
    nodes = _slots.nodes_table(source, key)
    known: dict[str, Any] = {"nodes": nodes, "min_coverage": min_coverage}
    held: Cells | LoadedCells
    if cells is None:
        held = fitted_cells(adata, artifact.feature_names, fit_params, **known)
    else:
        held = loaded_cells(adata, cells, artifact.feature_names, fit_params, **known)
    label_of = dict(zip(nodes["node"], nodes["label"], strict=True))
    names = [str(name) for name in fit_params["outputs"]]
    order = [[label_of[node] for node in artifact.output_nodes].index(name) for name in names]
    task = str(fit_params["task"])
    said = network_predict(replicates, held, task)[:, :, order]
    each = scale_of(fit_params).restore(said) if task == NUMBERS else said
    keys = _keys.Keys(key)
    obs, obsm = predicted_slots(
        adata, keys, fit_params, each=each, output_nodes=artifact.output_nodes, label_of=label_of
    )
    adata = adata.copy() if copy else adata
    carried = {}
    if reference is not None:
        parts = (_keys.GRAPH, _keys.NODES, _keys.MODEL, _keys.PARAMS)
        carried = {part: deepcopy(_slots.results(source, key, part, "e2t.tl.fit")) for part in parts}
        for step in (
            "interpret",
            "perturb",
            "perturb_screen",
            "cross_validate",
            "tune",
        ):  # of which nothing is carried over
            carried[_keys.PARAMS].pop(step, None)
    _slots.write(
        adata,
        key,
        uns=carried,
        obs=obs,
        obsm=obsm,
        stale=keys.of_build._replace(steps=()) if carried else _keys.NOTHING,
    )
    return adata if copy else None
