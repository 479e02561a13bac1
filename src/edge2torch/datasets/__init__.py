"""Cells of which the truth is known."""

from edge2torch.datasets._simulate import simulate

__all__ = ["simulate"]
