"""Downstream parts for a compiled model."""

from __future__ import annotations

from torch import nn

from edge2torch._checks import check_number
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import CustomizedEdgeModel, EdgeModel, make_activation
from edge2torch.nn.activation import Activation


def customize_model(
    model: EdgeModel,
    *,
    activation: Activation = None,
    dropout: float | nn.Module | None = None,
    head: nn.Module | None = None,
) -> CustomizedEdgeModel:
    """Put an activation, dropout and a head behind the outputs of a compiled model.

    The nodes inside are not touched; their nonlinearity is the ``activation`` of :func:`edge2torch.compile_graph`.

    Parameters
    ----------
    model
        A model from :func:`edge2torch.compile_graph`; it becomes ``base_model`` of the result and is not copied.
    activation
        Applied to the outputs: a name such as ``"relu"``, a module or a class of modules.
    dropout
        Probability, or a module.
    head
        Module that takes (cells, outputs).

    Raises
    ------
    Edge2TorchError
        If an argument is none of these.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> model, _ = e2t.compile_graph(pd.DataFrame({"source": ["gene"], "target": ["out"]}), quiet=True)
    >>> customize_model(model, head=nn.Linear(1, 3)).head
    Linear(in_features=1, out_features=3, bias=True)
    """
    if not isinstance(model, EdgeModel):
        raise Edge2TorchError(f"model must come from compile_graph, not be a {type(model).__name__}")
    if head is not None and not isinstance(head, nn.Module):
        raise Edge2TorchError(f"head must be a torch module, not {head!r}")
    return CustomizedEdgeModel(model, make_activation(activation), _make_dropout(dropout), head)


def _make_dropout(dropout: float | nn.Module | None) -> nn.Module | None:
    if dropout is None or isinstance(dropout, nn.Module):
        return dropout
    check_number("dropout", dropout, below=1)
    return nn.Dropout(dropout)
