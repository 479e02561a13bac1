"""``e2t.datasets.simulate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from edge2torch import _keys, _slots
from edge2torch._checks import check_number, check_seed, check_whole
from edge2torch._notes import note
from edge2torch.datasets.active import Active, check_effect, draw_active, find_active
from edge2torch.datasets.cells import assign_donors, assign_groups, describe_cells, group_shares
from edge2torch.datasets.counts import draw_counts, draw_sizes
from edge2torch.datasets.genes import make_genes
from edge2torch.datasets.network import Network
from edge2torch.datasets.signal import Signal
from edge2torch.datasets.truth import find_hubs, match_decoys, truth_table
from edge2torch.errors import Edge2TorchError
from edge2torch.graph import READOUT, validate_edgelist
from edge2torch.pp._edit import Draft, name_priors, order_nodes, read_draft

if TYPE_CHECKING:
    from mudata import MuData

#: value of the column ``prior`` of an edge list that has none
GIVEN = "given"
#: arguments that are objects, or stand in the truth
UNRECORDED = ("graph", "active", "groups", "gene_means", "key")
#: what is drawn, each from a generator of its own, so that none depends on how many numbers another needs
DRAWS = ("nodes", "groups", "means", "dispersions", "penetrance", "activity", "donors", "sizes", "counts", "lost")


def simulate(
    graph: pd.DataFrame | AnnData | MuData,
    active: Mapping[str, str | Sequence[str] | Mapping[str, float]] | None = None,
    *,
    n_cells: int = 2000,
    groups: int | Sequence[str] | Mapping[str, float] | None = None,
    n_active: int = 3,
    effect: float = 1.0,
    penetrance: float = 1.0,
    activity_sd: float = 0.25,
    signs: bool = True,
    depth: int | None = None,
    min_genes: int = 5,
    max_genes: int | None = 200,
    n_decoys: int = 3,
    n_hubs: int = 5,
    n_donors: int | None = None,
    nested: bool = False,
    donor_sd: float = 0.3,
    mean_counts: float = 0.3,
    gene_means: Mapping[str, float] | pd.Series | None = None,
    library_sd: float = 0.35,
    dropout: float = 0.0,
    n_other_genes: int = 0,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
) -> AnnData:
    """Simulate counts of cells in which chosen nodes of a graph are active, and nothing else differs.

    An active node changes the expected counts of its genes: the inputs from which a path leads to it. Everything about
    the truth comes along, with nodes to compare: decoys, which look like the active ones in the graph, and hubs.

    Parameters
    ----------
    graph
        An AnnData or MuData with a graph from :func:`edge2torch.pp.build_graph`, of which only the graph is used, or an
        edge list in the direction of computation (``source``: gene or node, ``target``: the node that reads it), as for
        :func:`edge2torch.compile_graph`. All nodes that read something are hidden nodes, unless the column ``prior``
        says ``"readout"``. A network as in decoupler (regulator -> gene) goes through ``build_graph``.
    active
        From a group to its active nodes: names, or a dict from names to effects. ``{}`` for none, ``None`` to draw
        ``n_active`` nodes for each group, none for two: equally probable, but as long as there are others none with
        more than a fifth of its genes in common with another.
    n_cells
        Number of cells.
    groups
        Number or names of groups of equal size, or a dict from names to shares of the cells. ``None`` for the groups of
        ``active``, with ``"rest"`` beside a single one; 4 without any.
    n_active
        Active nodes per group, if they are drawn.
    effect
        Log2 fold change of the genes of an active node in its group; negative for one that is switched off. With 0,
        groups do not differ. The effects of several nodes on a gene add up.
    penetrance
        Share of the genes of an active node that follow it, drawn at random; at least one gene does.
    activity_sd
        Standard deviation of activities between cells, of any group: the mean is 1 where a node is active, and else 0.
    signs
        Whether genes fall with a node that lowers them: with a ``constraint`` that is negative or, where there is none,
        a ``prior_weight``, ``weight`` or ``initial_weight`` below 0 (the first of these columns that is there). Along a
        path signs are multiplied. Of several paths the shortest count; where these contradict each other, the gene
        does not follow.
    depth
        Most edges on a path from a gene to a node that sees it; ``None`` for any number. Nodes on a common cycle see
        the same genes unless this is small.
    min_genes, max_genes
        Least and largest number of genes of the nodes that are drawn; ``None`` for no limit.
    n_decoys
        Decoys per active node: nodes of the same layer that are active in no group and connected with no active node by
        a path. Of all choices, the one is taken that differs least in degree and reach (in doublings) and shares the
        fewest genes with active nodes (all of them count as four doublings).
    n_hubs
        Nodes of highest degree that are active in no group and connected with no active node by a path.
    n_donors
        Number of donors; ``None`` for no donors.
    nested
        Whether all cells of a donor are of one group, so that groups are conditions; otherwise, a donor has cells of
        every group.
    donor_sd
        Standard deviation of the log2 fold changes between donors, of each gene by itself.
    mean_counts
        Mean count of a gene in a cell: 0.26 (Reactome, Hallmark) to 0.33 (CollecTRI) for genes of priors that are seen
        in at least three cells of PBMC3k.
    gene_means
        Mean count in a cell for each gene of the graph, by name, for example in real cells; ``None`` to draw them.
    library_sd
        Standard deviation of the natural logarithm of the expected total of a cell; 0.25 to 0.5 in types of PBMC3k.
    dropout
        Mean count at which half of the counts become 0, for methods without UMIs; 0 for none.
    n_other_genes
        Number of genes that are not in the graph.
    random_state
        Seed. What is drawn does not depend on ``effect``: the same nodes, genes and sizes of cells for every effect.
    key
        Name of the result with the graph, in what is given and what is returned.

    Returns
    -------
    An AnnData ready to be normalised (``scanpy.pp.normalize_total``, ``log1p``) and fitted, with

    ``X``
        Counts (cells x genes, CSR, whole numbers as 32-bit floats); genes in model order, then others.
    ``obs["group"]``, ``obs["donor"]``, ``obs["n_counts"]``
        Group, donor (if there are any) and total of each cell.
    ``var["mean"]``, ``var["dispersion"]``, ``var["in_graph"]``
        Parameters of the genes, and whether the graph has them.
    ``uns["truth"]``
        DataFrame, a row for each group and hidden node: ``group``, ``node``, ``role`` (``"active"``, ``"decoy"``,
        ``"hub"`` or ``"other"``; a decoy that is a hub has two rows), ``effect`` (0 if not active), ``matched_to`` (the
        active node of a decoy), ``layer``, ``degree`` (sources), ``reach`` (genes), ``shared`` (share of its genes that
        are genes of an active node of the group; of another one, for active nodes).
    ``uns["truth_params"]``
        Arguments; ``groups`` and ``active``, what the columns of the next two are.
    ``varm["truth"]``
        Log2 fold changes, genes x groups, at mean activity and apart from the common factor that keeps totals.
    ``obsm["truth"]``
        Activities, cells x active nodes.
    ``uns[key]["graph"]``, ``uns[key]["nodes"]``
        The graph, as after :func:`edge2torch.pp.build_graph`.

    Raises
    ------
    Edge2TorchError
        If the graph is not valid, a node or group is unknown, too few nodes can be drawn, or another argument cannot be
        used.

    Notes
    -----
    Counts are negative binomial around ``total * share``, where the shares of the genes are multiplied by
    ``2 ** (effect * activity)`` and then add up to 1 again, as in splatter (doi:10.1186/s13059-017-1305-0). Zeros are
    not inflated, because counts of droplets with UMIs have no more zeros than that (doi:10.1038/s41587-019-0379-5).
    ``dropout`` loses counts with the probability ``dropout / (dropout + expected)``
    (doi:10.1093/bioinformatics/bty1044).
    ``docs/simulation.md`` compares with real cells.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> genes = [f"g{i}" for i in range(60)]
    >>> graph = pd.DataFrame({"source": genes, "target": [f"TF{i // 10}" for i in range(60)]})
    >>> adata = e2t.datasets.simulate(graph, {"sick": ["TF2"]}, n_cells=100, n_decoys=1, n_hubs=0)
    >>> adata.shape
    (100, 60)
    >>> adata.uns["truth"].query("role != 'other'")[["group", "node", "role", "effect"]].to_numpy().tolist()
    [['sick', 'TF2', 'active', 1.0], ['sick', 'TF0', 'decoy', 0.0]]
    """
    called = {name: value for name, value in locals().items() if name not in UNRECORDED}
    _check(called)
    draft = _read(graph, _keys.Keys(key).key)
    table, _ = order_nodes(draft.edges, draft.labels)
    network = Network.from_edges(draft.edges, table, signs=signs, depth=depth)
    shares = group_shares(groups, active)
    names = list(shares)
    draws = dict(zip(DRAWS, np.random.default_rng(int(random_state)).spawn(len(DRAWS)), strict=True))
    chosen = (
        [Active(*one, effect) for one in draw_active(network, names, n_active, (min_genes, max_genes), draws["nodes"])]
        if active is None
        else find_active(active, draft, network, names, effect)
    )
    group = assign_groups(n_cells, shares, draws["groups"])
    donor = None if n_donors is None else assign_donors(group, n_donors, nested)
    var = make_genes(network.genes, gene_means, mean_counts, n_other_genes, (draws["means"], draws["dispersions"]))
    decoys = match_decoys(network, chosen, n_decoys)
    _report_missing(chosen, decoys, n_decoys)

    signal = Signal.plant(network, names, chosen, penetrance, draws["penetrance"])
    activity = signal.draw_activity(group, activity_sd, draws["activity"])
    by_donor = donor_sd * draws["donors"].standard_normal((n_donors or 0, len(var)))

    def fold(cells: slice) -> npt.NDArray[np.float64]:
        log2 = np.zeros((cells.stop - cells.start, len(var)))
        log2[:, : len(network.genes)] = signal.log2_folds(group[cells], activity[cells])
        return np.exp2(log2 if donor is None else log2 + by_donor[donor[cells]])

    sizes = draw_sizes(n_cells, library_sd, draws["sizes"])
    counts = draw_counts(var, fold, sizes, dropout, (draws["counts"], draws["lost"]))
    adata = AnnData(counts, obs=describe_cells(counts, names, group, donor), var=var)
    planted = np.zeros((len(var), len(names)))
    planted[: len(network.genes)] = signal.planted().T
    adata.varm["truth"], adata.obsm["truth"] = planted.astype(np.float32), activity.astype(np.float32)
    adata.uns["truth"] = truth_table(network, names, chosen, decoys, find_hubs(network, chosen, n_hubs))
    known = {"groups": names, "active": network.hidden["node"].to_numpy()[signal.nodes].tolist()}
    # not all files hold None, and plain numbers are what they hold in the same way
    arguments = {name: np.asarray(value).item() for name, value in called.items() if value is not None}
    adata.uns["truth_params"] = {**arguments, **{name: np.array(value, dtype=object) for name, value in known.items()}}
    _slots.write(adata, key, uns={_keys.GRAPH: draft.edges, _keys.NODES: table})
    return adata


def _check(called: Mapping[str, Any]) -> None:
    """Raise if a number is out of its range."""
    for name in ("n_cells", "n_active", "min_genes"):
        check_whole(name, called[name])
    for name in ("n_decoys", "n_hubs", "n_other_genes"):
        check_whole(name, called[name], least=0)
    for name in ("depth", "max_genes", "n_donors"):
        if called[name] is not None:
            check_whole(name, called[name])
    for name in ("activity_sd", "donor_sd", "library_sd", "dropout"):
        check_number(name, called[name])
    check_number("mean_counts", called["mean_counts"], positive=True)
    check_number("penetrance", called["penetrance"], below=1 + 1e-9, positive=True)
    check_effect("effect", called["effect"])
    check_seed(called["random_state"])
    if called["nested"] and called["n_donors"] is None:
        raise Edge2TorchError("nested=True gives each donor one group: say how many donors (n_donors)")


def _read(graph: object, key: str) -> Draft:
    """Read the graph of an AnnData, or an edge list."""
    if not isinstance(graph, pd.DataFrame):
        _slots.check_adata(graph, "graph", written=False)
        return read_draft(cast("AnnData", graph), key)
    edges = graph.assign(prior=name_priors(graph) if "prior" in graph else GIVEN)
    edges = validate_edgelist(edges[edges["prior"] != READOUT])
    read = dict.fromkeys(edges["target"], "hidden")
    kind = {**dict.fromkeys(edges["source"], "input"), **read}
    return Draft(edges, pd.DataFrame({"node": list(kind), "label": list(kind), "kind": list(kind.values())}))


def _report_missing(active: Sequence[Active], decoys: Mapping[int, Sequence[int]], n_decoys: int) -> None:
    found = sum(len(own) for own in decoys.values())
    wanted = n_decoys * len(active)
    if found < wanted:
        note(f"only {found:,} of {wanted:,} decoys were found: layers have no more nodes apart from the active ones")
