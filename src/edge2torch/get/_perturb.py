"""``e2t.get.perturb``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pandas as pd

from edge2torch import _keys, _slots
from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

PARTS = {"group": _keys.PERTURB, "cell": _keys.PERTURB, "screen": _keys.PERTURB_SCREEN}


def perturb(
    adata: AnnData | MuData, *, per: Literal["group", "cell", "screen"] = "group", key: str = _keys.DEFAULT
) -> pd.DataFrame:
    """Get what perturbations change.

    Parameters
    ----------
    adata
        With a result of :func:`edge2torch.tl.perturb`.
    per
        ``"group"``: of the perturbation, a row per group of cells and output; ``"cell"``: cells x outputs;
        ``"screen"``: of the screen, a row per node, group and output.
    key
        Name of the result.

    Returns
    -------
    Per cell, changes of the logits, or of the numbers that are predicted. Otherwise their means over the cells of each
    ``group`` as ``change``; for classes and labels, ``change_proba`` and ``switched``, too. Of a screen, also ``node``
    and its ``kind``.

    Raises
    ------
    Edge2TorchError
        If there are none, or they do not fit the table of nodes.

    Examples
    --------
    The nodes without which the model is least sure of the cells of each class:

    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.perturb(adata, "all", mode="remove")
    >>> table = e2t.get.perturb(adata, per="screen")
    >>> own = table[table["group"].astype(str) == table["output"].astype(str)]
    >>> own.sort_values("change").groupby("group", observed=True)["node"].first().shape
    (10,)
    """
    check_choice("per", per, PARTS)
    other = {"group": "screen", "cell": "screen", "screen": "group"}[per]
    found = adata.uns.get(key)
    if isinstance(found, dict) and PARTS[per] not in found and PARTS[other] in found:
        raise Edge2TorchError(f"adata.uns[{key!r}] has no {PARTS[per]!r}, but {PARTS[other]!r}: pass per={other!r}")
    table = pd.DataFrame(_slots.results(adata, key, PARTS[per], "e2t.tl.perturb"))
    if per != "cell":
        return table.copy()
    nodes = _slots.nodes_table(adata, key)
    outputs = nodes.loc[nodes["kind"] == "output", "label"].tolist()
    slot = _keys.Keys(key).perturbed
    if slot not in adata.obsm or adata.obsm[slot].shape[1] != len(outputs):
        raise Edge2TorchError(f"adata.obsm has no {slot!r} with {len(outputs):,} columns: run e2t.tl.perturb again")
    return pd.DataFrame(adata.obsm[slot], index=adata.obs_names.copy(), columns=outputs).copy()
