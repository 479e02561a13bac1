"""Where graphs come from: shipped priors and tables, matched with the genes that were measured."""

from edge2torch.prior.network import Network, connect
from edge2torch.prior.prior import Prior
from edge2torch.prior.shipped import SHIPPED, load_shipped
from edge2torch.prior.table import prior_from_table

__all__ = ["SHIPPED", "Network", "Prior", "connect", "load_shipped", "prior_from_table"]
