"""Penalties that set weights to exactly 0: on single edges, and on all edges that leave a node."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge2torch._checks import check_number
from edge2torch.artifact import CompileArtifact, check_pair
from edge2torch.attribution import find_edge_model
from edge2torch.nn import EdgeLinear, EdgeModel


@torch.no_grad()
def shrink(
    model: nn.Module, optimizer: torch.optim.Optimizer | float, *, l1: float = 0.0, group_lasso: float = 0.0
) -> None:
    """Take the proximal step of a lasso and a group lasso, after a step of the optimizer.

    Each weight is moved towards 0 by ``t * l1``, and set to 0 if it is nearer. Then all weights ``w`` of the edges that
    leave a hidden node, one group, are multiplied by ``max(0, 1 - t * group_lasso * sqrt(size of w) / |w|)``, where
    ``|w|`` is the root of the sum of their squares: the group becomes smaller, or the node is switched off. ``t`` is
    the length of the step by which the optimizer followed the gradient.

    Parameters
    ----------
    model
        A model that holds one model from :func:`edge2torch.compile_graph`; its weights are changed in place.
    optimizer
        The optimizer, after its step, or the learning rate if it was plain gradient descent. ``t`` is the learning
        rate; for Adam, ``lr / (sqrt(v) + eps)`` of each weight, where ``v`` is its estimate of the mean square of the
        gradient, and for a group what the harmonic mean of these is. Weights that got no step or no gradient yet stay.
    l1
        Strength of the penalty on single weights, ``l1 * sum of |w|``, in units of the loss.
    group_lasso
        Strength of the penalty on hidden nodes, ``group_lasso * sum over nodes of sqrt(size of w) * |w|``.

    Raises
    ------
    Edge2TorchError
        If a number is negative or not finite, or there is not one compiled model.

    Notes
    -----
    Fixed weights are neither changed nor part of a group, and signs that are held stay. Biases, and the matrices that
    all nodes of a ``"graphnn"`` share, are not penalised. Between nodes with several units, all weights of all units
    of the source are one group. With ``spectral_norm``, weights are meant before they are scaled down.

    References
    ----------
    Group lasso: Yuan & Lin 2006, doi:10.1111/j.1467-9868.2005.00532.x; for the nodes of networks: Scardapane et al.
    2017, doi:10.1016/j.neucom.2017.02.029. That its proximal step may follow that of the lasso: Friedman, Hastie &
    Tibshirani 2010, arXiv:1001.0736. With the steps of Adam: Yun, Lozano & Yang 2020, arXiv:2007.07484, whose step for
    a group needs an equation to be solved, where here one step for the whole group stands for those of its weights.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["a", "b"], "target": ["out", "out"], "initial_weight": [2.0, -0.25]})
    >>> model, artifact = e2t.compile_graph(edges, quiet=True)
    >>> shrink(model, 0.5, l1=1.0)
    >>> e2t.get_edge_weights(model, artifact)["weight"].tolist()
    [1.5, 0.0]
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        check_number("optimizer", optimizer)
    for name, value in {"l1": l1, "group_lasso": group_lasso}.items():
        check_number(name, value)
    edge_model = find_edge_model(model)
    linears = edge_model.linears()
    if not l1 and not group_lasso:
        return
    sizes = [linear.weight.numel() for linear in linears]
    weight = torch.cat([linear.weight for linear in linears])
    step = torch.empty_like(weight)
    for linear, part in zip(linears, step.split(sizes), strict=True):
        _write_steps(part, linear, optimizer)
    new = F.relu(weight.abs().sub_(step * l1)).copysign_(weight)
    if group_lasso:
        _shrink_groups(new, step, _sources(edge_model), group_lasso)
    weight = torch.where(step > 0, new, weight)
    for linear, part in zip(linears, weight.split(sizes), strict=True):
        linear.weight.copy_(part)


def switched_off(model: nn.Module, artifact: CompileArtifact) -> list[str]:
    """List the hidden nodes whose outgoing weights are all exactly 0, so that nothing depends on their state.

    Parameters
    ----------
    model
        A model that holds one model from :func:`edge2torch.compile_graph`.
    artifact
        What was returned with that model.

    Returns
    -------
    Names, in model order.

    Raises
    ------
    Edge2TorchError
        If model and artifact do not belong together.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["g", "g", "A", "B"], "target": ["A", "B", "out", "out"]})
    >>> model, artifact = e2t.compile_graph(edges.assign(initial_weight=[1.0, 1.0, 0.0, 1.0]), quiet=True)
    >>> switched_off(model, artifact)
    ['A']
    """
    edge_model = find_edge_model(model)
    check_pair(edge_model, artifact)
    used = torch.cat([weight.detach() for weight in edge_model.used_weights()])
    source = edge_model.edge_ends[0][edge_model.edge_of_weight]
    n_used = torch.zeros(artifact.graph.nodes.size, dtype=torch.long, device=used.device)
    n_used.index_add_(0, source, (used != 0).long())
    off = (n_used == 0).cpu().numpy() & (artifact.graph.kind == "hidden")
    return [str(name) for name in artifact.graph.nodes[off]]


# What follows is made of few and short-lived arrays: to get memory for these would take longer than to compute them.


def _write_steps(step: Tensor, linear: EdgeLinear, optimizer: torch.optim.Optimizer | float) -> None:
    """Write how far each weight is moved per unit of its gradient, shape (weights,); 0 where it stays."""
    if isinstance(optimizer, torch.optim.Optimizer):
        _write_steps_of(step, linear.weight, optimizer)
    else:
        step.fill_(optimizer)
    if linear.fixed_weight is not None:
        step.masked_fill_(~linear.fixed_weight.isnan(), 0)


def _write_steps_of(step: Tensor, weight: Tensor, optimizer: torch.optim.Optimizer) -> None:
    settings = next((group for group in optimizer.param_groups if any(p is weight for p in group["params"])), None)
    state = optimizer.state.get(weight, {})
    if settings is None or ("betas" in settings and "exp_avg_sq" not in state):
        step.zero_()
    elif "betas" not in settings:
        step.fill_(float(settings["lr"]))
    else:
        square = state.get("max_exp_avg_sq", state["exp_avg_sq"])
        shown = 1 - settings["betas"][1] ** float(state["step"])
        torch.div(square, shown, out=step).sqrt_().add_(settings["eps"]).reciprocal_().mul_(float(settings["lr"]))
        step.masked_fill_(square == 0, 0)


def _sources(model: EdgeModel) -> Tensor:
    """Which hidden node each weight leaves, counted from the first behind the inputs; negative for inputs."""
    return model.edge_ends[0][model.edge_of_weight] - model.n_features


def _shrink_groups(weight: Tensor, step: Tensor, source: Tensor, strength: float) -> None:
    """Multiply the weights that leave a hidden node with a factor, in place."""
    grouped = (source >= 0).logical_and_(step > 0)
    group = source.clamp(min=0)
    squares, size, slowness = weight.new_zeros(3, int(group.max()) + 1)
    squares.index_add_(0, group, weight.square().mul_(grouped))
    size.index_add_(0, group, grouped.to(weight.dtype))
    slowness.index_add_(0, group, step.reciprocal().masked_fill_(~grouped, 0))
    # step of the group = size / slowness; a group that is 0 stays 0, whatever it is multiplied with
    tiny = torch.finfo(weight.dtype).tiny
    change = strength * size.sqrt() * (size / slowness.clamp(min=tiny)) / squares.sqrt().clamp(min=tiny)
    weight.mul_((1 - change).clamp(min=0)[group].masked_fill_(~grouped, 1))
