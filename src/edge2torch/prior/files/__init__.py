"""Priors and hierarchies in the formats of the field."""

from edge2torch.prior.files.read import read_hierarchy, read_prior

__all__ = ["read_hierarchy", "read_prior"]
