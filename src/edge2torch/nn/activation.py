"""Activations by name, class or instance, for all nodes of a layer or for each its own; and dropout likewise."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError, some

Activation = str | nn.Module | type[nn.Module] | None

BY_NAME: dict[str, type[nn.Module]] = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "selu": nn.SELU,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}
#: the name for none, where ``None`` means that nothing is said
LINEAR = "linear"
#: by these numbers compiled loops know activations, also those on disk: they stay as they are
RELU, SIGMOID, TANH = 1, 2, 3


class Direct(NamedTuple):
    """An activation whose gradient follows from the state, so that autograd is not needed.

    Attributes
    ----------
    number
        By which the compiled loops know it.
    activate, of_sums
        State from sums, and gradient of sums from that of states and from states; both are written to ``out``.
    """

    number: int
    activate: Callable[..., Tensor]
    of_sums: Callable[..., Tensor]


_aten = torch.ops.aten
DIRECT: dict[type[nn.Module], Direct] = {
    nn.ReLU: Direct(
        RELU,
        lambda sums, out: torch.clamp_min(sums, 0, out=out),
        lambda grad, state, out: _aten.threshold_backward(grad, state, 0, grad_input=out),
    ),
    nn.Sigmoid: Direct(
        SIGMOID, torch.sigmoid, lambda grad, state, out: _aten.sigmoid_backward(grad, state, grad_input=out)
    ),
    nn.Tanh: Direct(TANH, torch.tanh, lambda grad, state, out: _aten.tanh_backward(grad, state, grad_input=out)),
}


def make_activation(activation: Activation) -> nn.Module | None:
    """Make a new module from the name, class or instance of an activation.

    An instance is copied, because attribution methods such as DeepLift need a module of its own for every layer.

    Raises
    ------
    Edge2TorchError
        If it is none of these.

    Examples
    --------
    >>> make_activation("tanh")
    Tanh()
    """
    if activation is None or (isinstance(activation, str) and activation == LINEAR):
        return None
    if isinstance(activation, str):
        if activation not in BY_NAME:
            names = sorted([*BY_NAME, LINEAR])
            raise Edge2TorchError(f"activation={activation!r} is unknown; the names are {some(names, len(names))}")
        return BY_NAME[activation]()
    if isinstance(activation, nn.Module):
        return copy.deepcopy(activation)
    if not isinstance(activation, type) or not issubclass(activation, nn.Module):
        raise Edge2TorchError(f"activation={activation!r} must be a name, a torch module or a class of one")
    try:
        return activation()
    except TypeError as error:
        raise Edge2TorchError(f"activation={activation.__name__} needs arguments: pass a module instead") from error


class MixedActivation(nn.Module):
    """Activations that differ from node to node.

    Parameters
    ----------
    modules
        The activations.
    choice
        Which of them a node has, shape (nodes,); -1 for none.
    """

    masks: Tensor

    def __init__(self, modules: Sequence[nn.Module], choice: Tensor) -> None:
        super().__init__()
        self.each = nn.ModuleList(modules)
        self.register_buffer("masks", choice == torch.arange(len(modules))[:, None], persistent=False)

    def forward(self, sums: Tensor) -> Tensor:
        """Map (cells, nodes) to (cells, nodes)."""
        state = sums
        for module, mask in zip(self.each, self.masks, strict=True):
            # Each module gets a tensor of its own: DeepLift and LRP replace all of the gradient of what goes into it.
            state = torch.where(mask, module(sums.clone()), state)
        return state


def make_node_activation(activations: Sequence[Activation], choice: Tensor | None) -> nn.Module | None:
    """Make the activation of some nodes.

    Parameters
    ----------
    activations
        The activations to choose from.
    choice
        Which of them each node has, shape (nodes,); -1 for none; ``None`` if none has any.

    Returns
    -------
    ``None`` where no node has one, the activation where all have the same, else a :class:`MixedActivation`.
    """
    used = [] if choice is None else torch.unique(choice[choice >= 0]).tolist()
    made = {i: module for i in used if (module := make_activation(activations[i])) is not None}
    if choice is None or not made:
        return None
    if bool((choice == next(iter(made))).all()):
        return made[next(iter(made))]
    position = {i: k for k, i in enumerate(made)}
    return MixedActivation(list(made.values()), torch.as_tensor([position.get(i, -1) for i in choice.tolist()]))


class NodeDropout(nn.Module):
    """Dropout with a probability for each node.

    Parameters
    ----------
    p
        Probability with which the state of a node is set to 0 in training, shape (nodes,). States that are kept are
        divided by ``1 - p``.
    """

    p: Tensor

    def __init__(self, p: Tensor) -> None:
        super().__init__()
        self.register_buffer("p", p.to(torch.get_default_dtype()), persistent=False)

    def forward(self, state: Tensor) -> Tensor:
        """Map (cells, nodes) to (cells, nodes)."""
        if not self.training:
            return state.view_as(state)  # LRP takes the gradients of input and output for two
        kept = (torch.rand_like(state) >= self.p) / (1 - self.p)
        return state * kept.to(state.dtype)


def make_node_dropout(p: Tensor | None) -> nn.Module | None:
    """Make the dropout of some nodes from their probabilities, shape (nodes,); ``None`` where all are 0."""
    if p is None or not bool(p.any()):
        return None
    return nn.Dropout(float(p[0])) if bool((p == p[0]).all()) else NodeDropout(p)
