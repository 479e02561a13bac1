"""What is explained in which cells, by a model and by its controls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from edge2torch import _slots
from edge2torch._notes import note
from edge2torch.control import deterministic_inputs
from edge2torch.errors import Edge2TorchError, some
from edge2torch.tl._baseline import find_baseline
from edge2torch.tl._evidence import Evidence, Model, find_evidence
from edge2torch.tl._explained import find_explained
from edge2torch.tl._groups import find_groups
from edge2torch.tl._node_table import fitted_nodes
from edge2torch.tl._predictions import predicted_classes, scale_of
from edge2torch.tl._query import fitted_cells
from edge2torch.tl._target import read_target
from edge2torch.training import CLASSES, NUMBERS

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.artifact import CompileArtifact
    from edge2torch.cells import Cells
    from edge2torch.get._control import Control
    from edge2torch.nn import EdgeModel
    from edge2torch.tl._explained import Explained
    from edge2torch.tl._strata import Strata

#: share of a mean below which a difference from it is rounding
SAME = 1e-6

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Question:
    """What is explained in which cells.

    Attributes
    ----------
    replicates, artifact
        The trained model.
    cells
        What it reads.
    explained
        Which output is explained in each cell.
    groups
        Group of each cell.
    follows_labels
        Whether outputs, and whether groups are those of the labels, and are others if labels are shuffled.
    reference
        Inputs with which cells are compared, (1, inputs); ``None`` for zero.
    baseline
        What was asked for.
    params
        What the model was fitted with.
    nodes
        Rows of the hidden nodes in the table of nodes.
    gene_labels
        What inputs are called for readers, by name: symbols where names are identifiers.
    """

    replicates: Sequence[EdgeModel]
    artifact: CompileArtifact
    cells: Cells
    explained: Explained
    groups: pd.Categorical
    follows_labels: tuple[bool, bool]
    reference: Tensor | None
    baseline: str | npt.ArrayLike
    params: dict[str, object]
    nodes: pd.DataFrame
    gene_labels: Mapping[str, str]

    @classmethod
    def of(
        cls,
        adata: AnnData | MuData,
        key: str,
        replicates: Sequence[EdgeModel],
        artifact: CompileArtifact,
        *,
        target: str | Sequence[str],
        groupby: str | None,
        baseline: str | npt.ArrayLike,
    ) -> Question:
        """Find what is asked for; see :func:`edge2torch.tl.rank_nodes`."""
        params = _slots.params(adata, key, "fit")
        cells = fitted_cells(adata, artifact.feature_names, params)
        table = fitted_nodes(adata, key, artifact)
        labels = table.loc[table["kind"] == "output", "label"].tolist()
        explained = find_explained(adata, target, params, labels, lambda: predicted_classes(replicates, cells))
        if explained.output is None:
            raise Edge2TorchError("target='all' explains all outputs at once: rank nodes for one after the other")
        of_cells = [labels[k] for k in explained.output]
        groups = find_groups(adata, groupby, params, lambda: pd.Categorical(of_cells))
        reference = find_baseline(baseline, cells, groups)
        if reference is not None and len(reference) != 1:
            raise Edge2TorchError(f"baseline must be one reference for all cells, but has {len(reference):,} rows")
        by_label = str(params["task"]) == CLASSES and target == "label"
        inputs = table[table["kind"] == "input"]
        return cls(
            replicates,
            artifact,
            cells,
            explained,
            groups,
            (by_label, by_label and groupby in (None, str(params["target"]))),
            reference,
            baseline,
            params,
            table[table["kind"] == "hidden"].reset_index(drop=True),
            dict(zip(inputs["node"].astype(str), inputs["label"].astype(str), strict=True)),
        )

    def read(self, rows: Rows) -> Tensor:
        """Inputs of some cells, (cells, inputs)."""
        return self.cells[rows][0]

    def weights(self, explained: Explained) -> Callable[[Rows], Tensor]:
        """From cells to what is explained in them; of classes, the logit of one minus the mean of all."""
        if str(self.params["task"]) != CLASSES:
            return explained.weights
        return lambda rows: explained.weights(rows) - explained.weights(rows).mean(dim=2, keepdim=True)

    def score(
        self, adata: AnnData | MuData, by: str, controls: Sequence[Control], strata: Strata, n_steps: int
    ) -> tuple[list[Evidence], dict[str, list[Evidence]]]:
        """Score the cells of all strata by the replicates, and by the controls of each kind that can score them."""
        if any(one.kind == "deterministic" for one in controls):
            try:
                known = self._known(adata)
            except Edge2TorchError as error:
                if by == "deterministic":
                    raise
                note(f"deterministic controls, which read the target of the fit, are left out: {error}")
                controls = [one for one in controls if one.kind != "deterministic"]
        same = [Model.of(model, self.artifact, self.artifact) for model in self.replicates]
        same += [self._model(one) for one in controls if one.kind == "rewired"]
        n = len(self.replicates)
        found = find_evidence(
            same, self.read, self.weights(self.explained), strata, baseline=self.reference, n_steps=n_steps
        )
        compared = {"rewired": found[n:]}
        for one in controls:
            if one.kind == "shuffled":
                compared.setdefault(one.kind, []).append(self._shuffled(one, strata, n_steps))
            elif one.kind == "deterministic":
                compared.setdefault(one.kind, []).append(self._deterministic(known, one, strata, n_steps))
        return found[:n], {kind: of_kind for kind, of_kind in compared.items() if of_kind}

    def _model(self, one: Control) -> Model:
        return Model.of(one.model, one.artifact, self.artifact)

    def _shuffled(self, one: Control, strata: Strata, n_steps: int) -> Evidence:
        """Score by a model that was trained on other labels: these are explained, and are the groups."""
        explained = self.explained
        outputs, groups = self.follows_labels
        if outputs:
            if one.given is None:
                raise Edge2TorchError(
                    "the labels that shuffled controls were given, adata.obsm[key + '_shuffled'], are not there any "
                    "more: run e2t.tl.control again"
                )
            names = self._outputs()
            position = pd.Index(explained.labels).get_indexer(pd.Index(names))
            explained = replace(explained, output=position[one.given].astype(np.int64))
            strata = (
                strata.with_groups(pd.Categorical(np.asarray(names)[one.given], categories=names)) if groups else strata
            )
        weights = self.weights(explained)
        return find_evidence([self._model(one)], self.read, weights, strata, baseline=self.reference, n_steps=n_steps)[
            0
        ]

    def _deterministic(self, values: npt.NDArray[Any], one: Control, strata: Strata, n_steps: int) -> Evidence:
        """Score by a model that was trained on inputs that say nothing but the target, on such inputs."""
        profile = np.asarray(one.profile)

        def read(rows: Rows) -> Tensor:
            return torch.from_numpy(deterministic_inputs(values[rows], profile))

        reference = None
        if not (isinstance(self.baseline, str) and self.baseline == "zero"):
            every = np.concatenate(strata.rows)
            reference = read(every).mean(dim=0, keepdim=True)
        weights = self.weights(self.explained)
        return find_evidence([self._model(one)], read, weights, strata, baseline=reference, n_steps=n_steps)[0]

    def _known(self, adata: AnnData | MuData) -> npt.NDArray[Any]:
        """What the model was fitted to, of these cells: class of each, (cells,), or standardised, (cells, outputs)."""
        target = read_target(adata, _target_of(self.params), str(self.params["task"]), varies=False)
        position = pd.Index(self._outputs()).get_indexer(pd.Index(target.names))
        if (position < 0).any():
            unknown = np.asarray(target.names, dtype=object)[position < 0]
            raise Edge2TorchError(f"the target of the fit has {some(unknown)}, which the model does not know")
        if target.task == CLASSES:
            return np.asarray(position[target.truth])
        return scale_of(self.params).standardise(target.truth) if target.task == NUMBERS else target.truth

    def _outputs(self) -> list[str]:
        return [str(name) for name in np.asarray(self.params["outputs"]).tolist()]


def _target_of(params: Mapping[str, object]) -> str | list[str]:
    target = params["target"]
    return target if isinstance(target, str) else [str(name) for name in np.asarray(target).tolist()]


def directions(question: Question, own: Sequence[Evidence], strata: Strata) -> npt.NDArray[np.float64]:
    """Whether the genes behind the score of a node are higher in a group than in all cells, (groups, nodes).

    A gene counts +1 if its mean in the group is higher than the mean over the cells of all strata, -1 if lower; a node
    the mean over what leads to it, weighted by the absolute scores of the edges.
    """
    model = Model.of(question.replicates[0], question.artifact, question.artifact)
    every = np.stack([question.read(rows).double().mean(dim=0).numpy() for rows in strata.rows])
    sizes = np.array([len(rows) for rows in strata.rows])
    differ, usual = strata.mean(every) - sizes @ every / sizes.sum(), np.abs(every).max(axis=0)
    of_genes = np.sign(np.where(np.abs(differ) > SAME * usual, differ, 0))
    weight = strata.mean(np.mean([np.abs(one.edges) for one in own], axis=0))
    edges = question.artifact.graph.edges.iloc[model.edges]
    names = [*question.artifact.input_nodes, *question.artifact.hidden_nodes]
    source = pd.Index(names).get_indexer(pd.Index(edges["source"]))
    found = []
    for of_gene, of_edge in zip(of_genes, weight, strict=True):
        total = np.bincount(model.target, of_edge, minlength=len(model.hidden))
        of_node = np.zeros(len(model.hidden))
        for _ in range(len(question.artifact.node_names_by_layer)):  # as far as the longest path
            known = np.concatenate([of_gene, of_node])[source]
            of_node = np.bincount(model.target, of_edge * known, minlength=len(model.hidden)) / np.maximum(total, 1e-30)
        found.append(of_node)
    return np.stack(found)
