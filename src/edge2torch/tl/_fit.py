"""``e2t.tl.fit``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch

from edge2torch import _keys, _slots
from edge2torch._checks import check_number, check_seed, check_whole
from edge2torch.cells import Cells, batches, choose_matrix, is_mudata, modalities, warn_if_counts
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._model import describe_model
from edge2torch.graph import add_outputs, node_table
from edge2torch.nn import EdgeModel
from edge2torch.nn.state import seeded
from edge2torch.pp._edit import read_draft
from edge2torch.tl._labels import Labels, read_labels
from edge2torch.tl._predict import prediction
from edge2torch.training import PARTS, Classifier, classification_metrics, predict_proba, stratified_split, train

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

#: arguments that are not written into ``uns[key]["params"]``: objects, and what makes no difference to the result
UNRECORDED = ("adata", "trainer_kwargs", "key", "copy", "progress_bar")


def fit(
    adata: AnnData | MuData,
    target: str,
    *,
    layer: str | None = None,
    use_raw: bool = False,
    backend: str = "feedforward",
    activation: str | None = "tanh",
    readout: Literal["all", "top"] = "all",
    width: int = 1,
    steps: int = 3,
    dropout: float = 0.0,
    input_dropout: float = 0.3,
    max_epochs: int = 200,
    patience: int = 30,
    batch_size: int = 64,
    lr: float = 3e-3,
    weight_decay: float = 1e-2,
    class_weight: Literal["balanced"] | Mapping[str, float] | None = "balanced",
    split: Sequence[float] | str = (0.7, 0.1, 0.2),
    random_state: int = 0,
    accelerator: str = "auto",
    trainer_kwargs: Mapping[str, Any] | None = None,
    key: str = _keys.DEFAULT,
    copy: bool = False,
    progress_bar: bool = True,
) -> AnnData | MuData | None:
    """Train the graph of an AnnData to predict a class from the expression of its genes.

    Every class becomes an output node of the graph, which is compiled and trained on cells by genes, aligned by name.
    Training stops when the loss on the validation cells has not become lower for ``patience`` epochs; the weights of
    the best epoch are kept.

    Parameters
    ----------
    adata
        Cells by genes, with a graph from :func:`edge2torch.pp.build_graph`. Log values or scaled values, not counts.
    target
        Column of ``adata.obs`` with the classes.
    layer
        Key of ``adata.layers`` to train on instead of ``adata.X``.
    use_raw
        Whether to train on ``adata.raw`` instead.
    backend
        See :func:`edge2torch.compile_graph`.
    activation
        Activation of the hidden nodes: the name of one, or ``None``.
    readout
        Which hidden nodes feed the outputs: ``"all"``, or those at the ``"top"``, which feed no other node.
    width, steps
        Units of each hidden node, and updates for backends that take steps; see :func:`edge2torch.compile_graph`.
    dropout, input_dropout
        Probability with which, in training, the state of a hidden node, or a gene, is set to 0.
    max_epochs, patience
        Most epochs; epochs without progress after which to stop.
    batch_size
        Cells per step.
    lr, weight_decay
        Learning rate of Adam, and strength of the L2 penalty on weights and biases.
    class_weight
        ``"balanced"`` lets every class count the same, a mapping gives the weight of each class, ``None`` lets every
        cell count the same.
    split
        Shares of train, validation and test cells in every class; or a column of ``adata.obs`` that holds
        ``"train"``, ``"validation"`` and ``"test"``.
    random_state
        Seed of the split, the initial weights, the order of cells, and dropout.
    accelerator, trainer_kwargs
        Where to train, and further arguments of ``lightning.Trainer``.
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
        Predicted class; ``"train"``, ``"validation"`` or ``"test"``.
    ``adata.obsm[key + "_proba"]``
        Probabilities, cells x outputs, in the order of the output nodes in ``uns[key]["nodes"]``.
    ``adata.uns[key]["graph"]``, ``["nodes"]``
        Now with the output nodes, their edges (``prior`` is ``"readout"``) and the ``weight`` of every edge.
    ``adata.uns[key]["model"]``
        All that is needed to rebuild the model.
    ``adata.uns[key]["history"]``, ``["metrics"]``
        Losses per epoch; accuracy, balanced accuracy and macro F1 for each part of the split.

    Earlier predictions and scores under the same key are removed.

    Raises
    ------
    Edge2TorchError
        If the classes, the genes, or an argument cannot be used; nothing is written then.

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
    _slots.check_adata(adata)
    _check_arguments(called)
    edges = read_draft(adata, key).edges
    labels = read_labels(adata, target)
    called["class_weight"] = _check_class_weight(class_weight, labels.classes)
    part = _given_split(adata, split) if isinstance(split, str) else stratified_split(labels.codes, split, random_state)
    edges, output_of = add_outputs(edges, labels.classes, readout)
    with seeded(random_state):
        settings = {name: called[name] for name in ("backend", "activation", "width", "steps", "dropout")}
        model, artifact = compile_graph(edges, **settings, quiet=True)
        matrix, names = choose_matrix(adata, layer, use_raw, artifact.feature_names)
        position = np.array([artifact.output_nodes.index(output_of[name]) for name in labels.classes])
        cells = Cells(
            matrix,
            list(names),
            artifact.feature_names,
            position[labels.codes],
            where="adata.raw.var_names" if use_raw else "adata.var_names",
        )
        for held_by, columns in _parts(adata, artifact.feature_names).items():
            place = "raw" if use_raw else f"layers[{layer!r}]" if layer else "X"
            warn_if_counts(cells.matrix[:, columns], f"{held_by}.{place}")
        weights = _class_weights(labels, called["class_weight"], part == "train")
        module = Classifier(
            model,
            torch.tensor(weights[np.argsort(position)], dtype=torch.float32),
            lr=lr,
            weight_decay=weight_decay,
            input_dropout=input_dropout,
        )
        history = train(
            module,
            batches(
                cells,
                int(batch_size),
                np.flatnonzero(part == "train"),
                shuffle=torch.Generator().manual_seed(int(random_state)),
            ),
            batches(cells, 1024, np.flatnonzero(part == "validation")),
            max_epochs=int(max_epochs),
            patience=int(patience),
            accelerator=accelerator,
            progress_bar=progress_bar,
            trainer_kwargs=trainer_kwargs,
        )
    result = _Result(model.cpu(), artifact, labels, output_of, position, part, history, predict_proba(model, cells))
    adata = adata.copy() if copy else adata
    _write(adata, key, result, called)
    return adata if copy else None


def _parts(adata: AnnData | MuData, features: Sequence[str]) -> dict[str, npt.NDArray[np.intp]]:
    """Positions of the inputs that are from each modality, by what to call it."""
    if not is_mudata(adata):
        return {"adata": np.arange(len(features))}
    names = pd.Index(features)
    own = {name: names.isin([f"{name}:{gene}" for gene in part.var_names]) for name, part in modalities(adata).items()}
    return {f"mdata[{name!r}]": np.flatnonzero(here) for name, here in own.items() if here.any()}


@dataclass(frozen=True, eq=False)
class _Result:
    model: EdgeModel
    artifact: CompileArtifact
    labels: Labels
    output_of: dict[str, str]
    position: npt.NDArray[np.intp]
    part: npt.NDArray[np.object_]
    history: pd.DataFrame
    proba: npt.NDArray[np.float32]


def _write(adata: AnnData | MuData, key: str, result: _Result, called: dict[str, Any]) -> None:
    keys = _keys.Keys(key)
    classes = result.labels.classes
    known = _slots.nodes_table(adata, key)
    known = known[known["kind"] != "output"]
    label_of = {
        **dict(zip(known["node"], known["label"], strict=True)),
        **{output: name for name, output in result.output_of.items()},
    }
    predicted = np.argsort(result.position)[result.proba.argmax(axis=1)]
    _slots.write(
        adata,
        key,
        called={"fit": {**called, "classes": classes}},
        uns={
            _keys.GRAPH: result.artifact.graph.edges.assign(weight=result.model.edge_weights().detach().numpy()),
            _keys.NODES: node_table(result.artifact.graph, label_of, result.artifact.output_nodes),
            _keys.MODEL: describe_model(result.model, result.artifact),
            _keys.HISTORY: result.history,
            _keys.METRICS: classification_metrics(result.labels.codes, predicted, result.part),
        },
        obs={
            keys.pred: prediction(adata, [classes[i] for i in predicted], classes, called["target"]),
            keys.split: pd.Categorical(result.part, categories=list(PARTS)),
        },
        obsm={keys.proba: result.proba},
        stale=keys.of_interpret,
    )


def _check_arguments(called: Mapping[str, Any]) -> None:
    activation = called["activation"]
    if activation is not None and not isinstance(activation, str):
        raise Edge2TorchError(f"activation={activation!r} must be a name, so that the model can be rebuilt from a file")
    for name in ("max_epochs", "patience", "batch_size"):
        check_whole(name, called[name])
    check_number("lr", called["lr"], positive=True)
    check_number("weight_decay", called["weight_decay"])
    check_number("input_dropout", called["input_dropout"], below=1)
    check_seed(called["random_state"])


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


def _check_class_weight(class_weight: Any, classes: Sequence[str]) -> str | dict[str, float] | None:
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return class_weight
    if not isinstance(class_weight, Mapping):
        raise Edge2TorchError(f"class_weight={class_weight!r} is unknown; use 'balanced', a mapping or None")
    given = {str(name): weight for name, weight in class_weight.items()}
    differing = sorted(set(given) ^ set(classes))
    if differing:
        raise Edge2TorchError(
            f"class_weight must have exactly the classes of the target; it differs in {some(differing)}"
        )
    for name, weight in given.items():
        check_number(f"class_weight[{name!r}]", weight, positive=True)
    return {name: float(weight) for name, weight in given.items()}


def _class_weights(
    labels: Labels, class_weight: str | Mapping[str, float] | None, training: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Weight of each class in the loss; "balanced" is cells / (classes x cells of the class), as in scikit-learn."""
    counts = np.bincount(labels.codes[training], minlength=len(labels.classes))
    absent = [name for name, count in zip(labels.classes, counts, strict=True) if not count]
    if absent:
        raise Edge2TorchError(f"{len(absent)} classes have no cell to train on: {some(absent)}; change split")
    if class_weight is None:
        return np.ones(counts.size)
    if isinstance(class_weight, str):
        return np.asarray(counts.sum() / (counts.size * counts), dtype=float)
    return np.array([class_weight[name] for name in labels.classes])
