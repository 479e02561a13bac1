"""Files: models on their own, and results for other programs."""

from edge2torch.io._load_model import load_model
from edge2torch.io._save_model import save_model
from edge2torch.io._write_cellxgene import write_cellxgene
from edge2torch.io._write_graph import write_graph

__all__ = ["load_model", "save_model", "write_cellxgene", "write_graph"]
