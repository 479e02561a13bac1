"""Where graphs come from: names, files and objects, matched with the genes that were measured."""

from edge2torch.prior.assemble import Reading, assemble, assemble_modalities
from edge2torch.prior.choice import Choice
from edge2torch.prior.choose import STATUS
from edge2torch.prior.network import ACYCLIC, Network, connect
from edge2torch.prior.prior import Prior
from edge2torch.prior.shipped import SHIPPED, load_shipped
from edge2torch.prior.table import prior_from_table

__all__ = [
    "ACYCLIC",
    "SHIPPED",
    "STATUS",
    "Choice",
    "Network",
    "Prior",
    "Reading",
    "assemble",
    "assemble_modalities",
    "connect",
    "load_shipped",
    "prior_from_table",
]
