"""What ``tl.fit`` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.get._model import describe_models
from edge2torch.graph import node_table
from edge2torch.tl._predictions import predicted_slots
from edge2torch.training import NUMBERS, PARTS, score, switched_off

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.tl._learn import Learned
    from edge2torch.training import Target


def _of_model(model: str, table: pd.DataFrame) -> pd.DataFrame:
    table.insert(0, "model", model)
    return table


def write_fit(
    adata: AnnData | MuData,
    key: str,
    learned: Learned,
    *,
    target: Target,
    part: npt.NDArray[np.object_],
    settings: Mapping[str, Any],
    baselines: Mapping[str, npt.NDArray[Any]] | None = None,
    more_uns: Mapping[str, Any] | None = None,
    called: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write what :func:`fit` says that it writes.

    Parameters
    ----------
    adata, key
        Where to.
    learned
        The trained replicates.
    target, part, settings
        What they were trained with.
    baselines
        Predictions of other models, by name.
    more_uns, called
        Further parts of ``uns[key]``, and what another function was called with.
    """
    predictions = {"network": learned.predicted}
    if len(learned.each) > 1:
        predictions |= {f"replicate {k}": one for k, one in enumerate(learned.each)}
    predictions |= baselines or {}
    keys = _keys.Keys(key)
    known = _slots.nodes_table(adata, key)
    known = known[known["kind"] != "output"]
    label_of = {
        **dict(zip(known["node"], known["label"], strict=True)),
        **{output: name for name, output in learned.output_of.items()},
    }
    scored = [score(target.task, target.names, target.truth, values, part) for values in predictions.values()]
    whole, outputs = (
        pd.concat([_of_model(model, table) for model, table in zip(predictions, tables, strict=True)])
        for tables in zip(*scored, strict=True)
    )
    recorded = {**settings, "task": target.task, "outputs": target.names, "counts": learned.counts}
    if target.task == NUMBERS:
        recorded |= {"mean": learned.scale.mean, "std": learned.scale.std}
    obs, obsm = predicted_slots(
        adata,
        keys,
        recorded,
        each=learned.each,
        output_nodes=learned.artifact.output_nodes,
        label_of=label_of,
    )
    _slots.write(
        adata,
        key,
        called={"fit": recorded, **(called or {})},
        uns={
            _keys.GRAPH: learned.artifact.graph.edges.assign(weight=learned.models[0].edge_weights().detach().numpy()),
            _keys.NODES: _nodes(learned, label_of, settings),
            _keys.MODEL: describe_models(learned.models, learned.artifact),
            _keys.HISTORY: learned.history,
            _keys.METRICS: whole.reset_index(drop=True),
            _keys.METRICS_OF_OUTPUTS: outputs.reset_index(drop=True),
            **(more_uns or {}),
        },
        obs={**obs, keys.split: pd.Categorical(part, categories=list(PARTS))},
        obsm=obsm,
        stale=keys.of_fit,
    )


def _nodes(learned: Learned, label_of: Mapping[str, str], settings: Mapping[str, Any]) -> pd.DataFrame:
    """Table of nodes, with the mean of each input and, with penalties, which hidden nodes are switched off."""
    artifact = learned.artifact
    mean = pd.Series(learned.means, index=artifact.feature_names)
    table = node_table(artifact.graph, label_of, artifact.output_nodes)
    table["mean"] = mean.reindex(table["node"]).to_numpy()
    if settings["l1"] or settings["group_lasso"]:
        off = np.mean([table["node"].isin(switched_off(model, artifact)) for model in learned.models], axis=0)
        table["switched_off"] = np.where(table["kind"] == "hidden", off, np.nan)
    return table
