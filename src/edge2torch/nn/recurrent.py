"""The recurrent backend: all nodes at once, several times, with the same weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from edge2torch.nn.edge_sums import edge_sums
from edge2torch.nn.step_model import StepModel, make_linear, make_steps, split_edges
from edge2torch.nn.wiring import Wiring

#: power iterations when a model is made; in training there is one more per pass
FIRST_ITERATIONS = 50
#: share of a fixed vector that is mixed in before each: a direction that once had no share would never get one
STIR = 1e-3


class RecurrentModel(StepModel):
    """Every node ``v`` computes ``s_v(t + 1) = activation(sum over u -> v of w_uv * s_u(t) + b_v)``, all at once.

    Inputs keep their values, all other states begin at 0. Output nodes have no activation.

    Parameters
    ----------
    wiring
        The graph; cycles and self loops are allowed.
    steps
        Number of updates (the most, with ``tolerance``).
    tolerance
        A cell is updated no more once none of its states changes by more than this; ``None`` for ``steps`` updates.
    spectral_norm
        Largest singular value that the matrix of weights between hidden nodes may have; where it is larger, these
        weights are scaled down. With a bound below 1 and activations whose slope is at most 1, states converge.
        ``None`` for no bound.
    bias
        Whether nodes have a bias.
    identity
        See :class:`EdgeModel`.

    Notes
    -----
    The largest singular value is estimated by power iteration, one more in each pass in training (Miyato et al. 2018,
    arXiv:1802.05957). It approaches the true one from below.
    """

    to_hidden: Tensor
    left: Tensor
    right: Tensor
    stir: Tensor

    def __init__(
        self,
        wiring: Wiring,
        *,
        steps: int = 3,
        tolerance: float | None = None,
        spectral_norm: float | None = None,
        bias: bool = True,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        units = wiring.units()
        super().__init__(wiring, identity)
        self.blocks = make_steps(units, steps)
        self.output_columns = torch.nonzero(units.is_output[units.n_features :]).flatten()
        self.tolerance = tolerance
        self.spectral_norm = spectral_norm
        from_inputs, between = split_edges(units)
        self.bind_units(wiring, units, torch.cat([from_inputs, between]))
        self.from_inputs = make_linear(units, from_inputs, from_inputs=True, bias=bias)
        self.between = make_linear(units, between, from_inputs=False, bias=False)
        if spectral_norm is not None:
            self.register_buffer("to_hidden", ~units.is_output[units.target[between]], persistent=False)
            n_inner = units.n_nodes - units.n_features
            seed = torch.Generator().manual_seed(0)
            for name in ("left", "right"):
                self.register_buffer(name, F.normalize(torch.randn(n_inner, generator=seed), dim=0))
            self.register_buffer("stir", STIR * self.right.clone(), persistent=False)
            self._iterate(FIRST_ITERATIONS)

    def _may_look(self, moving: Tensor) -> bool:
        """Whether steps may end early: no transformation of torch forbids to look at values, and no hook waits."""
        transformed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
        return not transformed and not moving.is_meta and not self.is_watched()

    def set_edge_weights(self, weights: Tensor) -> None:
        """Set the weights that :meth:`edge_weights` returns where no bound scales them; see :class:`EdgeModel`."""
        super().set_edge_weights(weights)
        if self.spectral_norm is not None:
            self._iterate(FIRST_ITERATIONS)

    def used_weights(self) -> list[Tensor]:
        """Weights as they are used, for each of :meth:`linears`."""
        return [self.from_inputs.edge_weight(), self._bounded_weight()]

    def _bounded_weight(self) -> Tensor:
        """Weights between the units behind the inputs, scaled down if those between hidden ones exceed the bound."""
        weight = self.between.edge_weight()
        if self.spectral_norm is None:
            return weight
        feedback = torch.where(self.to_hidden, weight, 0)
        norm = self.left @ edge_sums(feedback, self.right[:, None], self.between.index)[:, 0]
        scale = (self.spectral_norm / norm.clamp(min=torch.finfo(norm.dtype).tiny)).clamp(max=1)
        return torch.where(self.to_hidden, scale * weight, weight)

    @torch.no_grad()
    def _iterate(self, times: int) -> None:
        """Bring the two singular vectors nearer to those of the largest singular value."""
        index = self.between.index
        feedback = torch.where(self.to_hidden, self.between.edge_weight(), 0)
        backwards = feedback[index.order]
        for _ in range(times):
            self.right += self.stir
            self.left.copy_(F.normalize(edge_sums(feedback, self.right[:, None], index)[:, 0], dim=0))
            self.right.copy_(F.normalize(edge_sums(backwards, self.left[:, None], index.reversed())[:, 0], dim=0))

    def forward_with_states(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the outputs and the state after every step, see :meth:`EdgeModel.forward_with_states`.

        With ``tolerance``, a cell that is updated no more keeps its state, also after the last step that was computed.
        """
        states = list(self.steps(x))
        states += states[-1:] * (len(self.blocks) - len(states))
        return self.read_outputs(states[-1]), states

    def states_read(self, states: Sequence[Tensor]) -> list[Tensor]:
        """From what the blocks return, get the states that other nodes read: a cell that rests keeps its own."""
        first, *updates = states
        read, moving = [first], first.new_ones(len(first), 1, dtype=torch.bool)
        for updated in updates:
            state, moving = self._settle(read[-1], updated, moving)
            read.append(state)
        return read

    def _settle(self, state: Tensor, updated: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        """Update the cells that still move, and find those that will."""
        if self.tolerance is None:
            return updated, moving
        change = (updated - state).abs().amax(dim=1, keepdim=True)
        return torch.where(moving, updated, state), moving & (change > self.tolerance)

    def read_outputs(self, state: Tensor) -> Tensor:
        """Read the outputs, (cells, outputs), from the last state."""
        return state.index_select(1, self.output_columns.to(state.device))

    def steps(self, x: Tensor) -> Iterator[Tensor]:
        """Compute the states, (cells, units behind the inputs), after each step until all have converged."""
        x = self.dense_input(x)
        if self.spectral_norm is not None and self.training:
            self._iterate(1)
        weight = self._bounded_weight()
        given = self.from_inputs(x)
        state: Tensor = self.blocks[0](given)
        yield state
        moving = torch.ones(x.shape[0], 1, dtype=torch.bool, device=x.device)
        for block in self.blocks[1:]:
            updated = block(given + edge_sums(weight, state.T, self.between.index).T)
            state, moving = self._settle(state, updated, moving)
            yield state
            if self.tolerance is not None and self._may_look(moving) and not moving.any():
                return
