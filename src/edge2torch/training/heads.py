"""Auxiliary heads: every layer of a deep hierarchy learns to predict by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from edge2torch._checks import check_whole
from edge2torch.errors import Edge2TorchError
from edge2torch.nn import EdgeModel


class AuxiliaryHeads(nn.Module):
    """A linear head on the hidden nodes of every layer (or after every step), for training only.

    In a deep hierarchy that is read at its top, hardly any gradient reaches the first layers. With a head on each
    layer, all of them get some: P-NET has one per layer (Elmarakeby et al. 2021, doi:10.1038/s41586-021-03922-4), DCell
    one per term (Ma et al. 2018, doi:10.1038/nmeth.4627). Here it is one per layer, which reads all of its hidden
    nodes, with all their units; a head per term would be a linear map of a few units of one node.

    Parameters
    ----------
    model
        A model from :func:`edge2torch.compile_graph`; it is not copied. What is stored or explained afterwards is this
        model, without heads.
    n_outputs
        Number of outputs of each head.

    Attributes
    ----------
    heads
        ``torch.nn.Linear`` for each of ``model.blocks`` that has hidden nodes, in order.

    Raises
    ------
    Edge2TorchError
        If ``model`` is something else, or has no hidden nodes, or ``n_outputs`` is not a positive whole number.

    Notes
    -----
    Weights are drawn from torch's global generator.

    Examples
    --------
    >>> import pandas as pd, edge2torch as e2t
    >>> edges = pd.DataFrame({"source": ["gene", "TF", "pathway"], "target": ["TF", "pathway", "out"]})
    >>> model, _ = e2t.compile_graph(edges, quiet=True)
    >>> outputs, of_heads = AuxiliaryHeads(model, 1)(torch.zeros(5, 1))
    >>> outputs.shape, [out.shape for out in of_heads]
    (torch.Size([5, 1]), [torch.Size([5, 1]), torch.Size([5, 1])])
    """

    def __init__(self, model: nn.Module, n_outputs: int) -> None:
        super().__init__()
        if not isinstance(model, EdgeModel):
            raise Edge2TorchError(f"model must come from compile_graph, not be a {type(model).__name__}")
        check_whole("n_outputs", n_outputs)
        columns = [model.hidden_columns(k) for k in range(len(model.blocks))]
        self.blocks = [k for k, found in enumerate(columns) if found.numel()]
        if not self.blocks:
            raise Edge2TorchError("model has no hidden nodes, so that there is nothing for auxiliary heads to read")
        self.model = model
        dtype = next(model.parameters()).dtype
        self.heads = nn.ModuleList(nn.Linear(columns[k].numel(), n_outputs, dtype=dtype) for k in self.blocks)
        for k in self.blocks:
            self.register_buffer(f"columns_{k}", columns[k], persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute what the model and its heads predict, states once.

        Parameters
        ----------
        x
            Features, shape (cells, features).

        Returns
        -------
        Outputs of the model (cells, outputs), and of each head (cells, ``n_outputs``).
        """
        outputs, states = self.model.forward_with_states(x)
        return outputs, [self._predict(i, states[k]) for i, k in enumerate(self.blocks)]

    def _predict(self, i: int, state: Tensor) -> Tensor:
        """Apply a head: what ``torch.nn.Linear`` computes, on states that lie node by node (ten times as fast)."""
        head: nn.Linear = self.heads[i]  # type: ignore[assignment]
        columns: Tensor = getattr(self, f"columns_{self.blocks[i]}")
        rows = state.T if columns.numel() == state.shape[1] else state.T.index_select(0, columns)
        return torch.addmm(head.bias[:, None], head.weight, rows).T


def heads_loss(loss: Callable[[Tensor, Tensor], Tensor], of_heads: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Compute the mean loss of auxiliary heads, to be added to that of the model with some weight.

    All heads count the same. (P-NET's published weights grow from layer to layer; DCell adds the losses of all terms up
    with one weight.)

    Parameters
    ----------
    loss
        Of predictions and truth, as for the model.
    of_heads
        What the heads predict.
    truth
        What is known.

    Returns
    -------
    A scalar.

    Examples
    --------
    >>> heads_loss(nn.MSELoss(), [torch.zeros(3, 1), torch.ones(3, 1)], torch.zeros(3, 1))
    tensor(0.5000)
    """
    return torch.stack([loss(prediction, truth) for prediction in of_heads]).mean()
