"""A compiled model with downstream parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from edge2torch.nn.model import EdgeModel


class CustomizedEdgeModel(nn.Module):
    """A compiled model, followed by an activation, dropout and a head where given.

    Parameters
    ----------
    base_model
        The compiled model. It is not copied: training this module trains it.
    activation, dropout, head
        Modules applied to the outputs of ``base_model``, in this order.
    """

    def __init__(
        self,
        base_model: EdgeModel,
        activation: nn.Module | None = None,
        dropout: nn.Module | None = None,
        head: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.base_model = base_model
        self.activation = activation
        self.dropout = dropout
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Map features (cells, features) to what the last part returns."""
        out: Tensor = self.base_model(x)
        for part in (self.activation, self.dropout, self.head):
            if part is not None:
                out = part(out)
        return out
