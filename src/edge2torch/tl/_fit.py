"""``e2t.tl.fit``."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edge2torch import _keys, _slots
from edge2torch.errors import Edge2TorchError
from edge2torch.pp._edit import read_draft
from edge2torch.tl._learn import Learned, check_settings, learn
from edge2torch.tl._split import split_of
from edge2torch.tl._target import read_target
from edge2torch.tl._write_fit import write_fit
from edge2torch.training import Target, predict_baselines

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
