"""Every key that is written into an AnnData."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edge2torch.errors import Edge2TorchError

DEFAULT = "e2t"

GRAPH = "graph"
NODES = "nodes"
PARAMS = "params"
COVERAGE = "coverage"
SUMMARY = "summary"
CUT = "cut_edges"
MODEL = "model"
HISTORY = "history"
METRICS = "metrics"
METRICS_OF_OUTPUTS = "metrics_of_outputs"
CROSS_VALIDATION = "cross_validation"
TRIALS = "trials"
RANK_NODES = "rank_nodes"
RANK_NODES_MODELS = "rank_nodes_models"
CONTROLS = "controls"
COMPLETENESS = "completeness"
EDGE_SCORES = "edge_scores"
PERTURB = "perturb"
PERTURB_SCREEN = "perturb_screen"


class Made(NamedTuple):
    """What functions have written.

    Attributes
    ----------
    parts
        Parts of ``uns[key]``.
    slots
        Keys of ``obs``, ``obsm`` and ``varm``.
    steps
        Parts of ``uns[key]["params"]``.
    """

    parts: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


NOTHING = Made()


@dataclass(frozen=True)
class Keys:
    """Names of the slots that belong to one result.

    Attributes
    ----------
    key
        Name of the result: ``key_added`` of :func:`edge2torch.pp.build_graph`.
    """

    key: str

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not self.key or "/" in self.key:
            raise Edge2TorchError(f"key {self.key!r} must be text without '/', which h5ad and zarr files cannot hold")

    @property
    def pred(self) -> str:
        """Predicted label, in ``obs``."""
        return f"{self.key}_pred"

    @property
    def split(self) -> str:
        """train, validation or test, in ``obs``."""
        return f"{self.key}_split"

    @property
    def proba(self) -> str:
        """Probabilities, cells x outputs, in ``obsm``."""
        return f"{self.key}_proba"

    @property
    def numbers(self) -> str:
        """Predicted numbers, cells x outputs, in ``obsm``."""
        return f"{self.key}_values"

    @property
    def std(self) -> str:
        """Standard deviation of predictions over replicates, cells x outputs, in ``obsm``."""
        return f"{self.key}_std"

    @property
    def agreement(self) -> str:
        """Share of replicates that predict the class, in ``obs``."""
        return f"{self.key}_agreement"

    @property
    def fold(self) -> str:
        """Fold in which a cell was held out, in ``obs``."""
        return f"{self.key}_fold"

    @property
    def cv_pred(self) -> str:
        """Class that was predicted for a cell that was held out, in ``obs``."""
        return f"{self.key}_cv_pred"

    @property
    def cv(self) -> str:
        """Probabilities or numbers that were predicted for cells that were held out, cells x outputs, in ``obsm``."""
        return f"{self.key}_cv"

    @property
    def nodes(self) -> str:
        """Scores of hidden nodes, cells x hidden nodes, in ``obsm``."""
        return f"{self.key}_nodes"

    @property
    def activations(self) -> str:
        """States of hidden nodes, cells x hidden nodes, in ``obsm``."""
        return f"{self.key}_activations"

    @property
    def features(self) -> str:
        """Scores of genes: genes x outputs in ``varm``, cells x input genes in ``obsm``."""
        return f"{self.key}_features"

    @property
    def shuffled(self) -> str:
        """Label that each cell was given for the control models with shuffled labels, cells x models, in ``obsm``."""
        return f"{self.key}_shuffled"

    @property
    def perturbed(self) -> str:
        """Changes of the outputs by a perturbation, cells x outputs, in ``obsm``."""
        return f"{self.key}_perturbed"

    @property
    def of_build(self) -> Made:
        """Everything that holds only as long as the prior and the choice of nodes do."""
        trained = self.of_graph
        return Made(
            parts=(COVERAGE, SUMMARY, CUT, *trained.parts),
            slots=trained.slots,
            steps=("build_graph", "add_edges", "remove_nodes", "rewire_graph", *trained.steps),
        )

    @property
    def of_graph(self) -> Made:
        """Everything that holds only as long as the graph does."""
        fitted = self.of_fit
        return Made(
            parts=(CROSS_VALIDATION, *fitted.parts),
            slots=(self.fold, self.cv_pred, self.cv, *fitted.slots),
            steps=("cross_validate", *fitted.steps),
        )

    @property
    def of_fit(self) -> Made:
        """Everything that holds only as long as the model does."""
        scores, one, screen = self.of_interpret, self.of_perturb, self.of_screen
        slots = (*scores.slots, *one.slots)
        return Made(
            parts=(
                HISTORY,
                METRICS,
                METRICS_OF_OUTPUTS,
                MODEL,
                TRIALS,
                CONTROLS,
                *scores.parts,
                *one.parts,
                *screen.parts,
            ),
            slots=(
                self.pred,
                self.split,
                self.proba,
                self.numbers,
                self.std,
                self.agreement,
                self.shuffled,
                *slots,
            ),
            steps=("fit", "tune", "control", *scores.steps, *one.steps, *screen.steps),
        )

    @property
    def of_interpret(self) -> Made:
        """Everything that holds only as long as the scores do."""
        return Made(
            parts=(RANK_NODES, RANK_NODES_MODELS, COMPLETENESS, EDGE_SCORES),
            slots=(self.nodes, self.activations, self.features),
            steps=("interpret", "rank_nodes"),
        )

    @property
    def of_perturb(self) -> Made:
        """What one perturbation has written."""
        return Made(parts=(PERTURB,), slots=(self.perturbed,), steps=(PERTURB,))

    @property
    def of_screen(self) -> Made:
        """What a screen of perturbations has written."""
        return Made(parts=(PERTURB_SCREEN,), steps=(PERTURB_SCREEN,))
