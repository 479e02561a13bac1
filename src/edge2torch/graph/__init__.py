"""What a graph is: a validated edge list, ordered into layers."""

from edge2torch.graph.acyclic import has_cycle, lead_away
from edge2torch.graph.dropout import DROPOUT_RULES, dropout_rates, fewest_sources
from edge2torch.graph.edgelist import CONSTRAINTS, arrows, constraint_codes, validate_edgelist
from edge2torch.graph.graph import Graph
from edge2torch.graph.names import locate, name_apart
from edge2torch.graph.options import OPTIONS, NodeOptions, node_options
from edge2torch.graph.reach import visible_inputs
from edge2torch.graph.readout import READOUT, add_outputs
from edge2torch.graph.table import node_table

__all__ = [
    "CONSTRAINTS",
    "DROPOUT_RULES",
    "OPTIONS",
    "READOUT",
    "Graph",
    "NodeOptions",
    "add_outputs",
    "arrows",
    "constraint_codes",
    "dropout_rates",
    "fewest_sources",
    "has_cycle",
    "lead_away",
    "locate",
    "name_apart",
    "node_options",
    "node_table",
    "validate_edgelist",
    "visible_inputs",
]
