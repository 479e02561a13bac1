"""What a graph is: a validated edge list, ordered into layers."""

from edge2torch.graph.edgelist import validate_edgelist
from edge2torch.graph.graph import Graph
from edge2torch.graph.names import locate, name_apart
from edge2torch.graph.readout import READOUT, add_outputs
from edge2torch.graph.table import node_table

__all__ = ["READOUT", "Graph", "add_outputs", "locate", "name_apart", "node_table", "validate_edgelist"]
