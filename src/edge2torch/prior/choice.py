"""Which nodes of a prior are used."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from edge2torch._checks import check_number, check_whole
from edge2torch.errors import Edge2TorchError


@dataclass(frozen=True)
class Choice:
    """What the user wants to keep of a prior.

    Attributes
    ----------
    min_genes, max_genes
        Least and largest number of measured genes of a node, its own and those of the nodes below it.
    min_coverage
        Least share of the genes of a node that were measured.
    roots
        Only these nodes and those below them.
    depth
        Only nodes at most so many levels deep; a root, or a node that is below no other, is at level 1.
    include, exclude
        Only these nodes; not these nodes. By name or by identifier.
    merge
        Whether nodes that read the same genes become one.
    unannotated
        Whether a node reads the genes that no other node reads.
    """

    min_genes: int = 5
    max_genes: int | None = None
    min_coverage: float = 0.0
    roots: str | Collection[str] | None = None
    depth: int | None = None
    include: str | Collection[str] | None = None
    exclude: str | Collection[str] | None = None
    merge: bool = False
    unannotated: bool = False

    def __post_init__(self) -> None:
        check_whole("min_genes", self.min_genes)
        if self.max_genes is not None:
            check_whole("max_genes", self.max_genes, least=self.min_genes)
        check_number("min_coverage", self.min_coverage)
        if self.min_coverage > 1:
            raise Edge2TorchError(f"min_coverage={self.min_coverage!r} is a share: it must be from 0 to 1")
        if self.depth is not None:
            check_whole("depth", self.depth)
        for name in ("roots", "include", "exclude"):
            _check_names(name, getattr(self, name))


def _check_names(argument: str, names: object) -> None:
    if names is None or isinstance(names, str):
        return
    if not isinstance(names, Collection):
        raise Edge2TorchError(f"{argument} must be a list of names of nodes, not {type(names).__name__}")
    if not len(names):  # an array has no truth value
        raise Edge2TorchError(f"{argument} is empty: name nodes, or pass None")
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise Edge2TorchError(f"{argument} must hold names of nodes, not {wrong[0]!r}")
