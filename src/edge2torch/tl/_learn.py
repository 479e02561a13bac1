"""Compiling and training, without reading or writing an AnnData's slots."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from edge2torch._checks import check_number, check_seed, check_whole
from edge2torch.cells import Cells, LoadedCells, batches, gene_means, is_counts, is_mudata, modalities, warn_if_counts
from edge2torch.compile import CompileArtifact, compile_graph
from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import add_outputs
from edge2torch.nn import EdgeModel
from edge2torch.nn.state import seeded
from edge2torch.tl._query import find_cells
from edge2torch.training import CLASSES, LABELS, NUMBERS, Checkpoint, Learner, Loss, Scale, Target, predict, train

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

#: arguments of ``tl.fit`` that say what the model is
OF_MODEL = ("backend", "activation", "width", "steps", "tolerance", "spectral_norm", "norm", "dropout", "dropout_rule")
#: arguments of ``tl.fit`` that say how it learns
OF_LEARNER = ("lr", "weight_decay", "l1", "group_lasso", "auxiliary", "random_state")
#: arguments of ``tl.fit`` that may change when training is resumed
MAY_CHANGE = ("max_epochs", "patience", "compare", "accelerator")
#: most that "balanced" makes of the positive cells of a label
MOST_WEIGHT = 100.0


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained model.

    Attributes
    ----------
    models, artifact
        Replicates of the model, on the CPU, and their names.
    output_of
        Name of the output node of each class, label or number.
    scale
        Of numbers.
    history
        Losses per epoch.
    cells
        All cells, as the model reads them.
    means
        Mean of every input over the training cells, (inputs,).
    counts
        Whether the cells looked like raw counts.
    each
        What each replicate predicts: probabilities or numbers, (replicates, cells, outputs) in the order of the names
        of the target.
    interrupted
        Whether Ctrl-C was pressed while training.
    """

    models: list[EdgeModel]
    artifact: CompileArtifact
    output_of: dict[str, str]
    scale: Scale
    history: pd.DataFrame
    cells: Cells | LoadedCells
    means: npt.NDArray[np.float64]
    counts: bool
    each: npt.NDArray[np.floating]
    interrupted: bool = False

    @property
    def predicted(self) -> npt.NDArray[np.floating]:
        """Mean over replicates, (cells, outputs)."""
        return np.asarray(self.each.mean(axis=0))


def own_callbacks(trainer_kwargs: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Copy callbacks for one of several trainings: their state, such as that of EarlyStopping, is of one training."""
    if not isinstance(trainer_kwargs, Mapping) or "callbacks" not in trainer_kwargs:
        return trainer_kwargs
    return {**trainer_kwargs, "callbacks": deepcopy(trainer_kwargs["callbacks"])}


def check_settings(called: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """Check the arguments of ``tl.fit`` that say how to train; return them as they are recorded."""
    # checkpoints are read without running code, and then hold no numbers of NumPy
    called = {name: value.item() if isinstance(value, np.generic) else value for name, value in called.items()}
    activation = called["activation"]
    if activation is not None and not isinstance(activation, str):
        raise Edge2TorchError(f"activation={activation!r} must be a name, so that the model can be rebuilt from a file")
    for name in ("max_epochs", "patience", "batch_size", "n_replicates"):
        check_whole(name, called[name])
    check_number("lr", called["lr"], positive=True)
    for name in ("weight_decay", "l1", "group_lasso", "auxiliary"):
        check_number(name, called[name])
    check_number("input_dropout", called["input_dropout"], below=1)
    check_number("label_smoothing", called["label_smoothing"], below=1)
    if called["label_smoothing"] and target.task != CLASSES:
        raise Edge2TorchError(f"label_smoothing is for classes, but the task is {target.task!r}")
    check_seed(called["random_state"])
    columns = called["target"]
    if not isinstance(columns, str):
        columns = list(columns) if len(columns) > 1 else columns[0]
    return {**called, "target": columns, "class_weight": _check_class_weight(called["class_weight"], target)}


def learn(
    adata: AnnData | MuData,
    edges: pd.DataFrame,
    target: Target,
    part: npt.NDArray[np.object_],
    settings: Mapping[str, Any],
    *,
    trainer_kwargs: Mapping[str, Any] | None,
    progress_bar: bool,
    loader: Iterable[Mapping[str, Any]] | None = None,
    checkpoint_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Learned:
    """Compile a graph and train it.

    Parameters
    ----------
    adata
        The cells; left as they are.
    edges
        Edge list without outputs.
    target
        What to predict.
    part
        ``"train"``, ``"validation"`` or ``"test"`` per cell.
    settings
        Arguments of ``tl.fit``, checked.
    loader
        What serves the cells, if not ``adata``.
    trainer_kwargs, progress_bar, checkpoint_dir, resume
        See ``tl.fit``.
    """
    seed = int(settings["random_state"])
    edges, output_of = add_outputs(edges, target.names, settings["readout"])
    with seeded(seed):
        models, artifact = _compile(edges, settings)
        position = np.array([artifact.output_nodes.index(output_of[name]) for name in target.names])
        training = part == "train"
        scale = Scale.of(target, training)
        held = find_cells(adata, loader, artifact.feature_names, target.in_order(position, scale), settings)
        if settings["compare"] and not held.in_memory:
            raise Edge2TorchError(
                "compare=True needs all cells in memory, for models that are not trained in batches: leave it out, or "
                "pass adata.to_memory()"
            )
        means = gene_means(held, np.flatnonzero(training))
        counts = is_counts(held.head())
        _warn_if_counts(adata, held, settings)
        learner = Learner(
            models,
            _loss(target, settings, training, position),
            **{name: settings[name] for name in OF_LEARNER},
            n_outputs=len(target.names),
        )
        history = train(
            learner,
            batches(
                held,
                int(settings["batch_size"]),
                np.flatnonzero(training),
                seed=seed,
                dropout=settings["input_dropout"],
            ),
            batches(held, 1024, np.flatnonzero(part == "validation")),
            max_epochs=int(settings["max_epochs"]),
            patience=int(settings["patience"]),
            accelerator=settings["accelerator"],
            progress_bar=progress_bar,
            trainer_kwargs=trainer_kwargs,
            checkpoint=None
            if checkpoint_dir is None
            else Checkpoint(checkpoint_dir, _run(adata, target, part, settings, artifact)),
            resume=resume,
        )
    said = predict([model.cpu() for model in models], held, target.task)[:, :, position]
    each = scale.restore(said) if target.task == NUMBERS else said
    return Learned(models, artifact, output_of, scale, history, held, means, counts, each, learner.interrupted)


def _compile(edges: pd.DataFrame, settings: Mapping[str, Any]) -> tuple[list[EdgeModel], CompileArtifact]:
    """Compile the graph once per replicate: they differ in their initial weights."""
    of_model = {name: settings[name] for name in OF_MODEL}
    compiled = [compile_graph(edges, **of_model, quiet=True) for _ in range(int(settings["n_replicates"]))]
    return [model.float() for model, _ in compiled], compiled[0][1]  # as cells are, whatever torch's default is


def _loss(
    target: Target, settings: Mapping[str, Any], training: npt.NDArray[np.bool_], position: npt.NDArray[np.intp]
) -> Loss:
    weights = _weights(target, settings["class_weight"], training)
    return Loss(
        target.task,
        None if weights is None else torch.tensor(weights[np.argsort(position)], dtype=torch.float32),
        float(settings["label_smoothing"]),
    )


def _run(
    adata: AnnData | MuData,
    target: Target,
    part: npt.NDArray[np.object_],
    settings: Mapping[str, Any],
    artifact: CompileArtifact,
) -> dict[str, str]:
    """What another run must have in common to go on where one was killed."""
    return {
        "graph": artifact.fingerprint,
        **{
            name: json.dumps(value, default=str, sort_keys=True)
            for name, value in settings.items()
            if name not in MAY_CHANGE
        },
        "cells": _digest(adata.obs_names),
        "parts of the split": _digest(part),
        "values of the target": hashlib.sha256(np.ascontiguousarray(target.truth).tobytes()).hexdigest(),
    }


def _digest(names: Iterable[Any]) -> str:
    return hashlib.sha256(json.dumps([str(name) for name in names]).encode()).hexdigest()


def _warn_if_counts(adata: AnnData | MuData, cells: Cells | LoadedCells, settings: Mapping[str, Any]) -> None:
    """Warn of each modality that holds raw counts."""
    place = "raw" if settings["use_raw"] else f"layers[{settings['layer']!r}]" if settings["layer"] else "X"
    first = cells.head()
    if not is_mudata(adata):
        warn_if_counts(first, f"adata.{place}" if isinstance(cells, Cells) else "what the loader serves")
        return
    names = pd.Index(cells.features)
    for name, held in modalities(adata).items():
        own = np.flatnonzero(names.isin([f"{name}:{gene}" for gene in held.var_names]))
        if own.size:
            warn_if_counts(first[:, own], f"mdata[{name!r}].{place}")


def _check_class_weight(class_weight: Any, target: Target) -> str | dict[str, float] | None:
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return class_weight
    if not isinstance(class_weight, Mapping):
        raise Edge2TorchError(f"class_weight={class_weight!r} is unknown; use 'balanced', a mapping or None")
    if target.task not in (CLASSES, LABELS):
        raise Edge2TorchError("class_weight is for classes and labels, but the target holds numbers: pass None")
    given = {str(name): weight for name, weight in class_weight.items()}
    differing = sorted(set(given) ^ set(target.names))
    if differing:
        raise Edge2TorchError(
            f"class_weight must have exactly the classes of the target; it differs in {some(differing)}"
        )
    for name, weight in given.items():
        check_number(f"class_weight[{name!r}]", weight, positive=True)
    return {name: float(weight) for name, weight in given.items()}


def _weights(
    target: Target, class_weight: str | Mapping[str, float] | None, training: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64] | None:
    """Weight of each class, or of the positive cells of each label, in the loss.

    "balanced" is cells / (classes x cells of the class), as in scikit-learn; for a label, negative / positive cells.
    """
    if target.task == CLASSES:
        counts = np.bincount(target.truth[training].astype(np.intp), minlength=len(target.names)).astype(float)
    elif target.task == LABELS:
        counts = target.truth[training].sum(axis=0, dtype=float)
    else:
        return None
    absent = [name for name, count in zip(target.names, counts, strict=True) if not count]
    if absent:
        what = "classes" if target.task == CLASSES else "labels"
        raise Edge2TorchError(f"{len(absent)} {what} have no cell to train on: {some(absent)}; change split")
    if isinstance(class_weight, Mapping):
        return np.array([class_weight[name] for name in target.names])
    if class_weight is None:
        return np.ones(counts.size)
    if target.task == CLASSES:
        return np.asarray(counts.sum() / (counts.size * counts), dtype=float)
    return np.asarray(np.clip((training.sum() - counts) / counts, 1 / MOST_WEIGHT, MOST_WEIGHT))
