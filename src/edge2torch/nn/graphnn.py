"""The graph neural network backend: messages along the named edges, in several channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from edge2torch.nn.edge_sums import edge_sums
from edge2torch.nn.step_model import StepModel, make_linear, make_steps, split_edges
from edge2torch.nn.wiring import Wiring


class GraphModel(StepModel):
    """Every node carries a vector that it updates with messages from those that lead to it.

    ``h_v(t + 1) = activation(A sum over u -> v of w_uv h_u(t) + B h_v(t) + b_v)``, all nodes at once. The mixing
    matrices ``A`` and ``B`` (channels x channels) are shared by all nodes and steps; every edge has one weight
    ``w_uv``, every node a bias vector ``b_v``. An input ``u`` carries ``x_u e`` with one vector ``e`` for all; other
    nodes begin at 0. Output nodes have no activation; the value of an output ``v`` is ``r . h_v`` with one vector ``r``
    for all.

    Parameters
    ----------
    wiring
        The graph; cycles and self loops are allowed. ``wiring.width`` must be ``None``.
    width
        Number of channels.
    steps
        Number of updates.
    bias
        Whether nodes have a bias.
    identity
        See :class:`EdgeModel`.

    References
    ----------
    Morris et al. 2019, arXiv:1810.02244 (GraphConv), here with a trained weight per edge.
    """

    def __init__(
        self,
        wiring: Wiring,
        *,
        width: int = 1,
        steps: int = 3,
        bias: bool = True,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(wiring, identity)
        n_inner = wiring.n_nodes - wiring.n_features
        self.blocks = make_steps(wiring, steps, width)
        self.width = width
        self.output_nodes = torch.nonzero(wiring.is_output[wiring.n_features :]).flatten()
        from_inputs, between = split_edges(wiring)
        self.bind_units(wiring, wiring, torch.cat([from_inputs, between]))
        self.from_inputs = make_linear(wiring, from_inputs, from_inputs=True, bias=False)
        self.between = make_linear(wiring, between, from_inputs=False, bias=False)
        self.lift = nn.Parameter(torch.empty(width))
        self.mix = nn.Parameter(torch.empty(width, width))
        self.keep = nn.Parameter(torch.empty(width, width))
        self.read = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(n_inner, width)) if bias else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all parameters anew from torch's global generator, so that states keep their scale from step to step."""
        self.from_inputs.reset_parameters()
        self.between.reset_parameters()
        self.lift.uniform_(-1, 1).mul_(3**0.5)
        for matrix in (self.mix, self.keep):  # half of the variance from the messages, half from the node itself
            matrix.uniform_(-1, 1).mul_((1.5 / self.width) ** 0.5)
        self.read.uniform_(-1, 1).mul_((3 / self.width) ** 0.5)
        if self.bias is not None:
            self.bias.zero_()

    def hidden_columns(self, block: int) -> Tensor:
        """Which columns of the output of a block belong to hidden nodes: all channels of each."""
        nodes = super().hidden_columns(block)
        return (nodes[:, None] * self.width + torch.arange(self.width, device=nodes.device)).flatten()

    def sum_units(self, states: Tensor, block: int) -> Tensor:
        """Add up the channels of each node: (cells, nodes x channels) to (cells, nodes)."""
        of_channels: Tensor = states.unflatten(1, (-1, self.width))
        return of_channels.sum(dim=2)

    def products_from_inputs(self, change: Tensor, of_sums: Sequence[Tensor]) -> Tensor:
        """For the weights of edges from inputs, sum products, see :meth:`EdgeModel.products_from_inputs`."""
        lifted = self.mix @ self.lift
        return super().products_from_inputs(change, [lifted @ self._by_node(grad) for grad in of_sums])

    def products_between(self, moved: Sequence[Tensor], of_sums: Sequence[Tensor]) -> Tensor:
        """For the weights of all other edges, sum products, see :meth:`EdgeModel.products_between`."""
        states = [self._by_node(state).flatten(1) for state in moved]
        return super().products_between(states, [(self.mix.T @ self._by_node(grad)).flatten(1) for grad in of_sums])

    def kept(self, moved: Sequence[Tensor], of_sums: Sequence[Tensor]) -> Tensor:
        """What arrives at each node from itself by ``B``, shape (nodes,), see :meth:`EdgeModel.kept`."""
        total = moved[0].new_zeros(len(moved[0]) // self.width)
        for state, grad in zip(moved, of_sums[1:], strict=False):
            total += (self._by_node(grad) * (self.keep @ self._by_node(state))).sum(dim=(1, 2))
        return total

    def _by_node(self, values: Tensor) -> Tensor:
        """From (nodes x channels, rows) to (nodes, channels, rows)."""
        by_node: Tensor = values.unflatten(0, (-1, self.width))
        return by_node

    def forward_with_states(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the outputs and the state after every step, see :meth:`EdgeModel.forward_with_states`."""
        states = list(self.steps(x))
        return self.read_outputs(states[-1]), [state.flatten(0, 1).T for state in states]

    def steps(self, x: Tensor) -> Iterator[Tensor]:
        """Compute the states, (nodes behind the inputs, channels, cells), after each step."""
        x = self.dense_input(x)
        weight, index = self.between.edge_weight(), self.between.index
        # Messages of the inputs are the same in each step, and the same in each channel but for a factor.
        given = self.from_inputs(x).T[:, None] * (self.mix @ self.lift)[:, None]
        if self.bias is not None:
            given = given + self.bias[:, :, None]
        state = self._finish(self.blocks[0], given)
        yield state
        for block in self.blocks[1:]:
            heard = edge_sums(weight, state.flatten(1), index).unflatten(1, (self.width, x.shape[0]))
            state = self._finish(block, given + self.mix @ heard + self.keep @ state)
            yield state

    def read_outputs(self, state: Tensor) -> Tensor:
        """Read the outputs, (cells, outputs), from the last state."""
        values: Tensor = self.read @ state.index_select(0, self.output_nodes.to(state.device))
        return values.T

    def _finish(self, block: nn.Module, sums: Tensor) -> Tensor:
        """Let a block, which reads (cells, nodes x channels), work on (nodes, channels, cells)."""
        state: Tensor = block(sums.flatten(0, 1).T)
        return state.T.reshape(sums.shape)
