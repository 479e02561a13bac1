"""Activations by name, class or instance."""

from __future__ import annotations

import copy

from torch import nn

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
    if activation is None:
        return None
    if isinstance(activation, str):
        if activation not in BY_NAME:
            raise Edge2TorchError(f"activation={activation!r} is unknown; the names are {some(BY_NAME, len(BY_NAME))}")
        return BY_NAME[activation]()
    if isinstance(activation, nn.Module):
        return copy.deepcopy(activation)
    if not isinstance(activation, type) or not issubclass(activation, nn.Module):
        raise Edge2TorchError(f"activation={activation!r} must be a name, a torch module or a class of one")
    try:
        return activation()
    except TypeError as error:
        raise Edge2TorchError(f"activation={activation.__name__} needs arguments: pass a module instead") from error
