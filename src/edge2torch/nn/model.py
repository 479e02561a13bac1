"""What all backends have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from edge2torch.errors import Edge2TorchError, some
from edge2torch.nn.edge_linear import EdgeLinear
from edge2torch.nn.wiring import Wiring

#: what a model is bound to, each by a SHA-256
BOUND_TO = ("graph", "backend", "features", "outputs", "preprocessing")


class EdgeModel(nn.Module):
    """A sparse network whose units belong to the named nodes of a graph, with one weight per edge.

    Made by :func:`edge2torch.compile_graph`. Its ``state_dict`` says which graph it belongs to, and loading that of
    another graph is an error.

    Parameters
    ----------
    wiring
        The graph.
    identity
        SHA-256, in hexadecimal, of what the model is bound to: any of ``"graph"``, ``"backend"``, ``"features"``,
        ``"outputs"`` and ``"preprocessing"``.

    Attributes
    ----------
    edge_ends
        Nodes that each edge connects, edges in the order of the edge list, shape (2, edges).
    blocks
        Modules whose outputs, (cells, units), are the states that attribution methods look at: one per layer or, if
        ``site`` is ``"step"``, one per step.
    """

    site: ClassVar[Literal["layer", "step"]] = "layer"
    blocks: nn.ModuleList
    identity: Tensor
    edge_ends: Tensor
    node_of_unit: Tensor
    edge_of_weight: Tensor
    source_width: Tensor
    target_width: Tensor

    def __init__(self, wiring: Wiring, identity: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.n_features = wiring.n_features
        self.n_outputs = int(wiring.is_output.sum())
        self.n_edges = wiring.source.numel()
        self.register_buffer("identity", _encode(identity or {}))
        self.register_buffer("edge_ends", torch.stack([wiring.source, wiring.target]), persistent=False)
        self.register_load_state_dict_pre_hook(_check_identity)  # type: ignore[no-untyped-call]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the graph that the model was made from."""
        return bytes(self.identity[0].tolist()).hex()

    def differs_from(self, identity: Mapping[str, str]) -> list[str]:
        """Compare what the model is bound to with something else; returns what differs."""
        return _differing(self.identity, _encode(identity))

    def check_input(self, x: Tensor) -> None:
        """Raise if something is not (cells, features)."""
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise Edge2TorchError(f"the model reads (cells, {self.n_features}) features, not {tuple(x.shape)}")

    def dense_input(self, x: Tensor) -> Tensor:
        """Get features as a dense tensor; raise if something is not (cells, features)."""
        self.check_input(x)
        return dense(x)

    def reads_csr(self, n_cells: int) -> bool:
        """Whether features of so many cells are better given as CSR, of which only what is stored is read.

        All models take CSR and other sparse tensors; most make them dense first.
        """
        return False

    def is_watched(self) -> bool:
        """Whether hooks wait for the state of a block, so that each must be computed by itself."""
        hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        anywhere = any(getattr(torch.nn.modules.module, f"_global{name}") for name in hooks)
        return anywhere or any(getattr(module, name) for module in self.blocks.modules() for name in hooks)

    def bind_units(self, wiring: Wiring, units: Wiring, order: Tensor) -> None:
        """Note which node each unit belongs to, and which edge each weight, the weights of :meth:`linears` in a row.

        Parameters
        ----------
        wiring, units
            The graph, and its units.
        order
            Rows of ``units`` behind the weights.
        """
        self.wide = units.node is not None
        node = torch.arange(units.n_nodes) if units.node is None else units.node
        edge = order if units.edge is None else units.edge[order]
        parts = {"node_of_unit": node[units.n_features :], "edge_of_weight": edge}
        if wiring.width is not None and self.wide:
            parts["source_width"] = wiring.width[wiring.source]
            parts["target_width"] = wiring.width[wiring.target]
        for name, part in parts.items():
            self.register_buffer(name, part, persistent=False)

    def linears(self) -> list[EdgeLinear]:
        """The parts that hold weights, in the order of ``edge_of_weight``."""
        raise NotImplementedError

    def forward_with_states(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Compute the outputs, and on the way the state of every block.

        Parameters
        ----------
        x
            Features, shape (cells, features).

        Returns
        -------
        Outputs (cells, outputs), and for each of ``blocks`` what it returns, (cells, units of the block).
        """
        raise NotImplementedError

    def units_of(self, block: int) -> slice:
        """Which of the units behind the inputs are in a block."""
        raise NotImplementedError

    def hidden_columns(self, block: int) -> Tensor:
        """Which columns of the output of a block belong to hidden nodes, those that edges leave."""
        has_targets = torch.zeros(int(self.edge_ends.max()) + 1, dtype=torch.bool, device=self.edge_ends.device)
        has_targets[self.edge_ends[0]] = True
        hidden: Tensor = has_targets[self.node_of_unit[self.units_of(block)]]
        return hidden.nonzero().flatten()

    def sum_units(self, states: Tensor, block: int) -> Tensor:
        """Add up the columns of each node in the output of a block: (cells, units) to (cells, nodes)."""
        if not self.wide:
            return states
        node = self.node_of_unit[self.units_of(block)].to(states.device)
        return states.new_zeros(len(states), int(node[-1] - node[0]) + 1).index_add_(1, node - node[0], states)

    def states_read(self, states: Sequence[Tensor]) -> list[Tensor]:
        """From what the blocks return, (cells, units) each, get the states that other nodes read."""
        return list(states)

    def products_from_inputs(self, change: Tensor, of_sums: Sequence[Tensor]) -> Tensor:
        """For the weights of edges from inputs, sum the products of what is at the two ends.

        Parameters
        ----------
        change
            Of each feature, shape (features, cells).
        of_sums
            Gradients of the sums of units, shape (units, cells): one for all layers, or one for each step.

        Returns
        -------
        To be put together by :meth:`edge_flow`, shape (weights,).
        """
        raise NotImplementedError

    def products_between(self, moved: Sequence[Tensor], of_sums: Sequence[Tensor]) -> Tensor:
        """The same for all other edges.

        Parameters
        ----------
        moved, of_sums
            Changes of the states that units read, and gradients of their sums, shapes (units, rows): one for all
            layers, or one for each step.
        """
        raise NotImplementedError

    def edge_flow(self, from_inputs: Tensor, between: Tensor) -> Tensor:
        """Multiply the products by the weights, and add up those of each edge, shape (edges,) as in the edge list."""
        flow = self.in_order(from_inputs, between) * torch.cat(self.used_weights())
        return flow.new_zeros(self.n_edges).index_add(0, self.edge_of_weight, flow)

    def in_order(self, from_inputs: Tensor, between: Tensor) -> Tensor:
        """Put the products in the order of ``edge_of_weight``."""
        return torch.cat([from_inputs, between])

    def kept(self, moved: Sequence[Tensor], of_sums: Sequence[Tensor]) -> Tensor:
        """What arrives at each node from itself, not over an edge, shape (nodes behind the inputs,).

        Parameters are those of :meth:`products_between`.
        """
        return moved[0].new_zeros(int(self.node_of_unit[-1]) + 1 - self.n_features)

    def used_weights(self) -> list[Tensor]:
        """Weights as they are used, for each of :meth:`linears`."""
        return [linear.edge_weight() for linear in self.linears()]

    def edge_weights(self) -> Tensor:
        """Weight of every edge as it is used, in the order of the edge list, shape (edges,).

        Between nodes with several units, it is the sum over the units of the source, averaged over those of the target.
        """
        weights = torch.cat(self.used_weights())
        total = weights.new_zeros(self.n_edges).index_add(0, self.edge_of_weight, weights)
        return total / self.target_width if self.wide else total

    def set_edge_weights(self, weights: Tensor) -> None:
        """Set the weights that :meth:`edge_weights` returns, shape (edges,); NaN leaves a weight as it is.

        Between nodes with several units, a weight is shared out equally among the units of the source.
        """
        shared = weights / self.source_width if self.wide else weights
        each = shared[self.edge_of_weight].split([linear.weight.numel() for linear in self.linears()])
        for linear, part in zip(self.linears(), each, strict=True):
            linear.set_edge_weight(part)


def dense(x: Tensor) -> Tensor:
    """Get features as a dense tensor: the same if it is one."""
    return x if x.layout == torch.strided else x.to_dense()


def all_read_csr(models: Iterable[nn.Module], n_cells: int) -> bool:
    """Whether CSR is quicker than dense features for each of some models, see :meth:`EdgeModel.reads_csr`."""
    return all(isinstance(model, EdgeModel) and model.reads_csr(n_cells) for model in models)


def _encode(identity: Mapping[str, str]) -> Tensor:
    digests = [bytes.fromhex(identity.get(part, "00" * 32)) for part in BOUND_TO]
    return torch.tensor([list(digest) for digest in digests], dtype=torch.uint8)


def _differing(identity: Tensor, other: Tensor) -> list[str]:
    same = (identity.cpu() == other.cpu()).all(dim=1).tolist()
    return [part for part, equal in zip(BOUND_TO, same, strict=True) if not equal]


def _check_identity(model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Compare what a state dict is bound to with what the model is bound to, which never changes by loading."""
    if not isinstance(model, EdgeModel) or f"{prefix}identity" not in state:
        return
    theirs = state[f"{prefix}identity"].to(torch.uint8)  # it may have been converted together with the weights
    state[f"{prefix}identity"] = theirs
    if theirs.shape != model.identity.shape:
        raise Edge2TorchError("the state dict is of another version of edge2torch: use edge2torch.io.load_model")
    differing = _differing(model.identity, theirs)
    if differing:
        raise Edge2TorchError(
            f"the state dict belongs to another model, which differs in {some(differing)}; to load what fits "
            f"nevertheless, take {prefix + 'identity'!r} out of it and use strict=False"
        )
