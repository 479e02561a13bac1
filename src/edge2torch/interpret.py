"""From a trained model to scores under the names of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from edge2torch._checks import check_choice
from edge2torch._notes import note
from edge2torch.align import align_features_to_input_nodes
from edge2torch.artifact import check_pair, find_edges
from edge2torch.attribution import (
    Request,
    feature_scores,
    find_edge_model,
    find_method,
    node_scores,
    one_table,
    path_scores,
)
from edge2torch.errors import Edge2TorchError, some
from edge2torch.nn.state import evaluating

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData

    from edge2torch.compile import CompileArtifact


def interpret_model(
    model: nn.Module,
    artifact: CompileArtifact,
    data: pd.DataFrame | AnnData | MuData | Tensor,
    target: str = "features",
    method: str | None = None,
    *,
    output: int | str | np.ndarray | Tensor | None = None,
    baseline: str | pd.DataFrame | AnnData | Tensor = "zero",
    n_steps: int = 50,
    batch_size: int | None = None,
    random_state: int = 0,
    as_table: bool = False,
    quiet: bool = False,
    **options: Any,
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """Score features, nodes or edges with a method of Captum.

    Parameters
    ----------
    model
        A trained model that holds one model from :func:`edge2torch.compile_graph`.
    artifact
        What was returned with that model.
    data
        Cells to explain; see :func:`edge2torch.align_features_to_input_nodes`.
    target
        ``"features"``: the inputs; ``"nodes"``: the nodes of every later layer or, for a backend that takes steps, the
        nodes behind the inputs in every step; ``"edges"``: the part of its target's score that arrives over each edge.
    method
        Class name in ``captum.attr``, e.g. ``"DeepLift"`` for features, ``"LayerDeepLift"`` for nodes. The default is
        ``"IntegratedGradients"`` for features and ``"LayerConductance"`` for nodes, the only one whose scores are
        shared out over edges.
    output
        Which output of the model to explain: a position, the name of an output node (if the model has no head), or a
        position per cell. Needed if there are several.
    baseline
        Reference input of methods that have one: ``"zero"``, ``"mean"`` (of ``data``), or cells in any form that
        ``data`` may have; one row, or several for methods that compare with a distribution.
    n_steps
        Steps along the path, for methods that integrate along one.
    batch_size
        Cells in one call of Captum; by default as many as make cells x steps about 4,000.
    random_state
        Seed for methods that sample; the global generators stay as they were.
    as_table
        Whether to return node scores as one DataFrame: layers beside each other, steps added up.
    quiet
        Whether to keep the note to oneself.
    **options
        Further arguments of the method's ``attribute`` in Captum.

    Returns
    -------
    For features a DataFrame (cells x features); for edges a DataFrame ``source``, ``target``, ``score`` in the order of
    the edge list, with the mean over the cells; for nodes a dict from ``"layer_1"``, ``"layer_2"``, ... to a
    DataFrame (cells x nodes of that layer), or from ``"step_1"``, ``"step_2"``, ... to a DataFrame (cells x nodes
    behind the inputs), or one DataFrame. Scores of a node's units are added up. Scores are in units of the model's
    output. The model's mode, weights and gradients are as before.

    Raises
    ------
    Edge2TorchError
        If model and artifact do not belong together, the data do not fit, or the method cannot do what is asked.

    Examples
    --------
    >>> import edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["out", "out"], "initial_weight": [2.0, -1.0]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> cells = pd.DataFrame({"a": [1.0], "b": [3.0]})
    >>> interpret_model(model, artifact, cells, method="InputXGradient", quiet=True)
         a    b
    0  2.0 -3.0
    """
    check_choice("target", target, ("features", "nodes", "edges"))
    chosen = find_method(method, "nodes" if target == "edges" else target)
    edge_model = find_edge_model(model)
    check_pair(edge_model, artifact)
    x = align_features_to_input_nodes(data, artifact).to(next(model.parameters()))
    if not len(x):
        raise Edge2TorchError("data has no cells: there is nothing to interpret")
    request = Request(
        output=_find_output(model, artifact, output, x) if chosen.output else None,
        baseline=_find_baseline(baseline, artifact, x),
        n_steps=n_steps,
        batch_size=batch_size,
        random_state=random_state,
        options=options,
    )
    index = (
        pd.RangeIndex(len(x)) if isinstance(data, Tensor) else getattr(data, "obs_names", getattr(data, "index", None))
    )
    result: pd.DataFrame | dict[str, pd.DataFrame]
    if target == "edges":
        result = artifact.graph.edges[["source", "target"]].assign(
            score=_edge_scores(model, chosen.name, x, request)[find_edges(edge_model, artifact)]
        )
    elif chosen.target == "features":
        scores = feature_scores(model, chosen, x, request)
        result = pd.DataFrame(scores.numpy(), index=index, columns=artifact.feature_names)
    else:
        result = _name_nodes(model, artifact, node_scores(model, chosen, x, request), index, as_table)
    if not quiet:
        note(f"Finished interpretation with method '{chosen.name}' for target '{target}'.")
    return result


def _edge_scores(model: nn.Module, method: str, x: Tensor, request: Request) -> npt.NDArray[np.floating[Any]]:
    """Score edges, in the order of the model: the mean over the cells."""
    if method != "LayerConductance" or request.options:
        asked = some([method, *request.options])
        raise Edge2TorchError(f"target='edges' shares out LayerConductance, without options, not {asked}")
    if request.baseline is not None and len(request.baseline) != 1:
        raise Edge2TorchError(f"target='edges' compares with one baseline, not with {len(request.baseline)} rows")
    with torch.no_grad(), evaluating(model):
        n_outputs = model(x[:1]).reshape(1, -1).shape[1]
    output = torch.as_tensor(0 if request.output is None else request.output, device=x.device).reshape(-1)
    scores = path_scores(
        model,
        x,
        nn.functional.one_hot(output, n_outputs)[None],
        baseline=request.baseline,
        n_steps=request.n_steps,
        batch_size=request.batch_size,
        groups=torch.zeros(len(x), dtype=torch.int64),
    )
    total = torch.empty(0) if scores.edges is None else scores.edges[0, 0]
    return (total / len(x)).to(x.dtype).cpu().numpy()


def _name_nodes(
    model: nn.Module, artifact: CompileArtifact, scores: list[Tensor], index: Any, as_table: bool
) -> pd.DataFrame | dict[str, pd.DataFrame]:
    all_names = artifact.graph.nodes[len(artifact.input_nodes) :].tolist()
    if as_table:
        return pd.DataFrame(one_table(model, scores).numpy(), index=index, columns=all_names)
    site = find_edge_model(model).site
    return {
        f"{site}_{k}": pd.DataFrame(
            part.numpy(),
            index=index,
            columns=artifact.node_names_by_layer[f"layer_{k}"] if site == "layer" else all_names,
        )
        for k, part in enumerate(scores, start=1)
    }


def _find_output(model: nn.Module, artifact: CompileArtifact, output: Any, x: Tensor) -> int | Tensor | None:
    with torch.no_grad(), evaluating(model):
        shape = model(x[:1]).shape
    if len(shape) > 2:
        raise Edge2TorchError(f"the model must return (cells, outputs); for one cell it returned {tuple(shape)}")
    n_outputs = shape[1] if len(shape) == 2 else 1
    own = n_outputs == len(artifact.output_nodes) and find_edge_model(model) is model
    names = artifact.output_nodes if own else [str(i) for i in range(n_outputs)]
    if output is None:
        if n_outputs > 1:
            raise Edge2TorchError(f"the model has {n_outputs} outputs ({some(names)}): say which one with output=")
        return None
    if isinstance(output, str):
        if not own or output not in names:
            raise Edge2TorchError(f"output={output!r} is not the name of an output; there are {some(names)}")
        output = names.index(output)
    positions = _positions(output, len(x))
    if positions.size and not 0 <= positions.min() <= positions.max() < n_outputs:
        raise Edge2TorchError(f"output={output!r} is out of range: the model has {n_outputs} outputs")
    if len(shape) == 1:  # one number per cell: Captum has nothing to choose from
        return None
    return torch.as_tensor(positions, device=x.device) if positions.ndim else int(positions)


def _positions(output: Any, n_cells: int) -> npt.NDArray[np.int64]:
    positions = output.detach().cpu().numpy() if isinstance(output, Tensor) else np.asarray(output)
    if positions.dtype.kind not in "iu" or positions.shape not in ((), (n_cells,)):
        raise Edge2TorchError(f"output must be a name, a position or one position for each of the {n_cells} cells")
    return positions.astype(np.int64)


def _find_baseline(baseline: Any, artifact: CompileArtifact, x: Tensor) -> Tensor | None:
    if isinstance(baseline, str):
        check_choice("baseline", baseline, ("zero", "mean"))
        return None if baseline == "zero" else x.mean(dim=0, keepdim=True)
    return align_features_to_input_nodes(baseline, artifact)
