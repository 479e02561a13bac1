"""``e2t.tl.fit``."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from edge2torch import _keys, _slots
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._model import describe_models
from edge2torch.graph import node_table
from edge2torch.pp._edit import read_draft
from edge2torch.tl._learn import Learned, check_settings, learn
from edge2torch.tl._predictions import predicted_slots
from edge2torch.tl._target import read_groups, read_target
from edge2torch.training import NUMBERS, PARTS, Target, predict_baselines, score, split_cells, switched_off

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

#: arguments that are not written into ``uns[key]["params"]``: objects, and what makes no difference to the result
UNRECORDED = ("adata", "cells", "trainer_kwargs", "checkpoint_dir", "resume", "key", "copy", "progress_bar")


def fit(
    adata: AnnData | MuData,
    target: str | Sequence[str],
    *,
    task: Literal["classes", "labels", "numbers"] | None = None,
    layer: str | None = None,
    use_raw: bool = False,
    cells: Iterable[Mapping[str, Any]] | None = None,
    backend: str = "feedforward",
    activation: str | None = "tanh",
    readout: Literal["all", "top"] = "all",
    width: int = 1,
    steps: int = 3,
    tolerance: float | None = None,
    spectral_norm: float | None = None,
    norm: Literal["batch"] | None = None,
    dropout: float = 0.0,
    dropout_rule: Literal["uniform", "redundancy"] = "uniform",
    input_dropout: float = 0.3,
    max_epochs: int = 200,
    patience: int = 30,
    batch_size: int = 64,
    lr: float = 3e-3,
    weight_decay: float = 1e-2,
    l1: float = 0.0,
    group_lasso: float = 0.0,
    auxiliary: float = 0.0,
    class_weight: Literal["balanced"] | Mapping[str, float] | None = "balanced",
    label_smoothing: float = 0.0,
    split: Sequence[float] | str = (0.7, 0.1, 0.2),
    groups: str | None = None,
    compare: bool = False,
    n_replicates: int = 1,
    random_state: int = 0,
    accelerator: str = "auto",
    trainer_kwargs: Mapping[str, Any] | None = None,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    key: str = _keys.DEFAULT,
    copy: bool = False,
    progress_bar: bool = True,
) -> AnnData | MuData | None:
    """Train the graph of an AnnData to predict classes, labels or numbers from the expression of its genes.

    Every class, label or number becomes an output node of the graph, which is compiled and trained on cells by genes,
    aligned by name. Training stops when the loss on the validation cells has not become lower for ``patience`` epochs;
    the weights of the best epoch are kept.

    Parameters
    ----------
    adata
        Cells by genes, with a graph from :func:`edge2torch.pp.build_graph`. Log values or scaled values, not counts.
    target
        What to predict: a column of ``adata.obs``, several columns, or a key of ``adata.obsm`` (an array, a sparse
        matrix or a DataFrame, cells x outputs). Of a MuData also a modality, such as its proteins.
    task
        ``"classes"``: one class per cell (cross-entropy); ``"labels"``: yes or no for each output (binary
        cross-entropy); ``"numbers"`` (squared error; each is brought to mean 0 and deviation 1 for the training). By
        default text and categories are classes, several columns of truth values are labels, and other numbers are
        numbers; where whole numbers could be either, it must be said.
    layer
        Key of ``adata.layers`` to train on instead of ``adata.X``.
    use_raw
        Whether to train on ``adata.raw`` instead.
    cells
        What serves the values, if they are not in ``adata``, which then needs names and ``obs`` only: anything that can
        be iterated over again and again and serves ``{"X", "obs", "index"}``, such as a loader of annbatch. ``"X"`` has
        the columns of ``adata.var_names``; ``"index"`` is the position of each cell in ``adata`` or, without it, the
        index of ``"obs"`` its name. The order of cells is that of the loader.
    backend
        See :func:`edge2torch.compile_graph`.
    activation
        Activation of the hidden nodes: the name of one, or ``None``.
    readout
        Which hidden nodes feed the outputs: ``"all"``, or those at the ``"top"``, which feed no other node.
    width
        Units of each hidden node.
    steps, tolerance, spectral_norm
        For backends that take steps, see :func:`edge2torch.compile_graph`.
    norm
        ``"batch"`` normalises the sums of every hidden node over the cells of a batch (feedforward only).
    dropout
        Probability with which, in training, the state of a hidden node is set to 0.
    dropout_rule
        ``"redundancy"`` drops a hidden node less if few others stand in for it in the graph, see
        :func:`edge2torch.compile_graph`.
    input_dropout
        Probability with which, in training, a gene is set to 0.
    max_epochs, patience
        Most epochs; epochs without progress after which to stop.
    batch_size
        Cells per step.
    lr, weight_decay
        Learning rate of Adam, and strength of the L2 penalty on weights and biases.
    l1, group_lasso
        Strength of penalties that set weights of edges to 0, or all weights that leave a hidden node and so switch it
        off; in units of the loss, 0.001 to 0.01 are values to begin with.
    auxiliary
        Weight of the loss of auxiliary heads: in training, every layer of hidden nodes also predicts by itself, so that
        the first layers of a deep hierarchy learn (such as with ``readout="top"``). 0 for none.
    class_weight
        ``"balanced"`` lets every class count the same, and positive and negative cells of every label; a mapping gives
        the weight of each class, or of the positive cells of each label; ``None`` lets every cell count the same.
    label_smoothing
        Share of the probability that is spread over all classes in the loss.
    split
        Shares of train, validation and test cells, in every class; or a column of ``adata.obs`` that holds
        ``"train"``, ``"validation"`` and ``"test"``.
    groups
        Column of ``adata.obs``, such as donors, whose cells are never in two parts of the split.
    compare
        Whether to score simple models as well, trained on the same genes and cells: the shares of the classes (or
        the mean), and logistic (or ridge) regression. They are rows of the metrics.
    n_replicates
        Models to train side by side, which differ in their initial weights. What is predicted is their mean.
    random_state
        Seed of the split, the initial weights, the order of cells, and dropout.
    accelerator, trainer_kwargs
        Where to train, and further arguments of ``lightning.Trainer``, such as ``devices``, ``strategy``,
        ``precision``, ``callbacks`` or ``logger``.
    checkpoint_dir
        Folder into which all that is needed to go on is written after every epoch, as ``last.ckpt``; ``None`` leaves no
        files behind.
    resume
        Whether to go on with the run in ``checkpoint_dir``, which must be of the same graph, cells and arguments (but
        for ``max_epochs`` and ``patience``). If there is none yet, training starts anew.
    key
        Name of the result that holds the graph.
    copy
        Whether to return a copy instead of writing into ``adata``.
    progress_bar
        Whether to show a bar.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.obs[key + "_pred"]``, ``adata.obs[key + "_split"]``
        Predicted class, or number if there is one; ``"train"``, ``"validation"`` or ``"test"``.
    ``adata.obsm[key + "_proba"]``, ``adata.obsm[key + "_values"]``
        Probabilities of classes or labels; numbers, in their units: cells x outputs, in the order of the output nodes
        in ``uns[key]["nodes"]``.
    ``adata.obsm[key + "_std"]``, ``adata.obs[key + "_agreement"]``
        With replicates: standard deviation over them of what they predict, like the former; and share of replicates
        that predict the class in ``obs[key + "_pred"]``.
    ``adata.uns[key]["graph"]``, ``["nodes"]``
        Now with the output nodes, their edges (``prior`` is ``"readout"``), the ``weight`` of every edge in the first
        replicate, and the ``mean`` of every gene over the training cells (NaN for other nodes). With ``l1`` or
        ``group_lasso``, ``switched_off`` is the share of replicates in which nothing depends on a hidden node.
    ``adata.uns[key]["model"]``
        All that is needed to rebuild the models, see :func:`edge2torch.get.model`.
    ``adata.uns[key]["history"]``
        Losses per replicate and epoch.
    ``adata.uns[key]["metrics"]``, ``["metrics_of_outputs"]``
        How good predictions are in each part of the split, see :func:`edge2torch.get.metrics`.

    Earlier predictions and scores under the same key are removed.

    Raises
    ------
    Edge2TorchError
        If the target, the genes, or an argument cannot be used; nothing is written then.
    KeyboardInterrupt
        If training is interrupted before the first epoch is complete, or twice. (Once, it ends training after the
        current step: the best weights until then are kept, with a warning.)

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> adata.obsm["e2t_proba"].shape
    (700, 10)
    """
    called = {name: value for name, value in locals().items() if name not in UNRECORDED}
    _slots.check_adata(adata, copy=copy)
    if resume and checkpoint_dir is None:
        raise Edge2TorchError("resume=True needs checkpoint_dir, the folder of the run to go on with")
    edges = read_draft(adata, key).edges
    wanted = read_target(adata, target, task)
    settings = check_settings(called, wanted)
    part = split_of(adata, split, groups, wanted, random_state)
    learned = learn(
        adata,
        edges,
        wanted,
        part,
        settings,
        trainer_kwargs=trainer_kwargs,
        progress_bar=progress_bar,
        loader=cells,
        checkpoint_dir=checkpoint_dir,
        resume=resume,
    )
    baselines = _baselines(learned, wanted, part, settings) if compare else {}
    adata = adata.copy() if copy else adata
    write_fit(adata, key, learned, target=wanted, part=part, settings=settings, baselines=baselines)
    return adata if copy else None


def fit_settings() -> dict[str, Any]:
    """Arguments of :func:`fit` with their defaults, without the target and what is not recorded."""
    parameters = inspect.signature(fit).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in UNRECORDED}


def split_of(
    adata: AnnData | MuData, split: Sequence[float] | str, groups: str | None, target: Target, random_state: int
) -> npt.NDArray[np.object_]:
    """Part of the split of each cell, see :func:`fit`."""
    if isinstance(split, str):
        if groups is not None:
            raise Edge2TorchError(f"split={split!r} names the parts, so groups={groups!r} has nothing to say: pass one")
        return _given_split(adata, split)
    donors = None if groups is None else read_groups(adata, groups)
    return split_cells(split, random_state, n_cells=adata.n_obs, labels=target.strata, groups=donors)


def _given_split(adata: AnnData | MuData, column: str) -> npt.NDArray[np.object_]:
    if column not in adata.obs:
        raise Edge2TorchError(f"split={column!r} is not a column of adata.obs; it has {some(adata.obs)}")
    part = np.asarray(adata.obs[column].astype(object))
    wrong = sorted({str(name) for name in part} - set(PARTS))
    if wrong:
        raise Edge2TorchError(f"adata.obs[{column!r}] holds {some(wrong)}; it may hold {some(PARTS)}")
    for name in ("train", "validation"):
        if not (part == name).any():
            raise Edge2TorchError(f"adata.obs[{column!r}] has no cell with {name!r}")
    return part


def _baselines(
    learned: Learned, target: Target, part: npt.NDArray[np.object_], settings: Mapping[str, Any]
) -> dict[str, npt.NDArray[Any]]:
    """Predictions of simple models that see the cells that trained the network."""
    weight = settings["class_weight"]
    if isinstance(weight, Mapping):
        weight = {code: weight[name] for code, name in enumerate(target.names)}
    training = part == "train"
    cells = learned.cells.matrix
    return predict_baselines(
        target.task,
        cells[training],
        target.truth[training],
        cells,
        len(target.names),
        class_weight=weight,
        random_state=int(settings["random_state"]),
    )


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
    recorded = {**settings, "task": target.task, "outputs": target.names}
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
