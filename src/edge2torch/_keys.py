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
RANK_NODES = "rank_nodes"


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
    def nodes(self) -> str:
        """Scores of hidden nodes, cells x hidden nodes, in ``obsm``."""
        return f"{self.key}_nodes"

    @property
    def features(self) -> str:
        """Scores of genes: genes x outputs in ``varm``, cells x input genes in ``obsm``."""
        return f"{self.key}_features"

    @property
    def of_build(self) -> Made:
        """Everything that holds only as long as the prior and the choice of nodes do."""
        fitted = self.of_fit
        return Made(
            parts=(COVERAGE, SUMMARY, CUT, *fitted.parts),
            slots=fitted.slots,
            steps=("build_graph", "add_edges", "remove_nodes", "rewire_graph", *fitted.steps),
        )

    @property
    def of_fit(self) -> Made:
        """Everything that holds only as long as the model does."""
        scores = self.of_interpret
        return Made(
            parts=(HISTORY, METRICS, MODEL, *scores.parts),
            slots=(self.pred, self.split, self.proba, *scores.slots),
            steps=("fit", *scores.steps),
        )

    @property
    def of_interpret(self) -> Made:
        """Everything that holds only as long as the scores do."""
        return Made(parts=(RANK_NODES,), slots=(self.nodes, self.features), steps=("interpret",))
