"""How Sphinx makes the site: ``make docs``."""

from __future__ import annotations

import importlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
ROOT = HERE.parent
#: rooms with public functions, and what they are for
ROOMS = {
    "pp": "Graphs: from prior knowledge into an AnnData",
    "tl": "Training, scores, controls, rankings, perturbation",
    "get": "Results under their names",
    "pl": "Plots",
    "io": "Files",
    "datasets": "Simulated cells",
}
#: what needs no AnnData
CORE = [
    "compile_graph",
    "CompileArtifact",
    "align_features_to_input_nodes",
    "customize_model",
    "interpret_model",
    "get_edge_weights",
    "set_edge_weights",
    "Edge2TorchError",
]

project = "edge2torch"
author = "The edge2torch developers"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
html_theme = "sphinx_book_theme"
html_title = "edge2torch"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True, "navbar_persistent": []}
html_static_path = ["site"]
html_css_files = ["site.css"]
exclude_patterns = ["README.md", "_build"]
# The notebooks are executed by the tests; their output is kept in them.
nb_execution_mode = "off"
myst_heading_anchors = 3
myst_all_links_external = False
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = ["Returns"]  # prose, as types are in the signature
autodoc_typehints = "none"
autosummary_generate = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# Names of other packages become links where the internet is there to ask these what they have.
if os.environ.get("DOCS_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "anndata": ("https://anndata.readthedocs.io/en/stable/", None),
        "python": ("https://docs.python.org/3", None),
        "scanpy": ("https://scanpy.readthedocs.io/en/stable/", None),
        "torch": ("https://docs.pytorch.org/docs/stable/", None),
    }


def copy_pages() -> None:
    """Put notebooks, and pages that are elsewhere, where Sphinx looks for pages."""
    for folder, found in (
        ("_tutorials", (ROOT / "tutorials").glob("*.ipynb")),
        ("_pages", (ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))),
    ):
        shutil.rmtree(HERE / folder, ignore_errors=True)
        (HERE / folder).mkdir()
        for file in found:
            shutil.copy(file, HERE / folder)


def list_functions() -> None:
    """Write a page per room, with all that it exports."""
    shutil.rmtree(HERE / "_api", ignore_errors=True)
    (HERE / "_api").mkdir()
    pages = {"core": ("edge2torch", "PyTorch from an edge list", CORE)}
    for room, title in ROOMS.items():
        pages[room] = (f"edge2torch.{room}", title, importlib.import_module(f"edge2torch.{room}").__all__)
    for page, (module, title, names) in pages.items():
        lines = [title, "=" * len(title), "", f".. currentmodule:: {module}", "", ".. autosummary::"]
        lines += ["   :toctree: generated", "   :nosignatures:", "", *(f"   {name}" for name in names), ""]
        (HERE / "_api" / f"{page}.rst").write_text("\n".join(lines), encoding="utf-8")


def change_links(_: Sphinx, page: str, source: list[str]) -> None:
    """Links to notebooks lead to their pages, and back; files that are in the repository only are named."""
    if page.startswith(("_tutorials", "_pages")):
        source[0] = source[0].replace("](../docs/", "](../").replace("](docs/", "](../")
        return
    text = source[0].replace("](../tutorials/", "](_tutorials/")
    source[0] = re.sub(r"\[([^\]]*)\]\(\.\./([^)]*)\)", r"\1 (`\2` in the repository)", text)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    copy_pages()
    list_functions()
    app.connect("source-read", change_links)
