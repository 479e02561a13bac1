"""How Sphinx makes the site: ``make docs``."""

from __future__ import annotations

import importlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from docutils.nodes import SkipNode, math, math_block
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

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
#: pages that are elsewhere in the repository
PAGES_ELSEWHERE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
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
    "sphinxcontrib.bibtex",
]
bibtex_bibfiles = ["references.bib"]
bibtex_reference_style = "author_year"
bibtex_default_style = "plain"
html_theme = "sphinx_book_theme"
html_title = "edge2torch"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True, "navbar_persistent": []}
html_static_path = ["site"]
html_css_files = ["site.css"]
exclude_patterns = ["README.md", "_build"]
# The notebooks are executed by the tests; their output is kept in them.
nb_execution_mode = "off"
myst_heading_anchors = 3
myst_enable_extensions = ["amsmath", "dollarmath"]
html_math_renderer = "mathml"  # which browsers draw by themselves
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


#: key of each paper in the bibliography, by its DOI or its number in arXiv
PAPERS = {
    paper: key
    for key, entry in re.findall(
        r"^@\w+\{(\w+),(.*?)^\}", (HERE / "references.bib").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for paper in re.findall(r"(?:doi|eprint) = \{(.*?)\}", entry)
}


def copy_pages() -> None:
    """Put notebooks, and pages that are elsewhere, where Sphinx looks for pages."""
    for folder, found in (
        ("_tutorials", (ROOT / "tutorials").glob("*.ipynb")),
        ("_pages", (ROOT / name for name in PAGES_ELSEWHERE)),
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


def cite(link: re.Match[str]) -> str:
    """Turn a link to a paper of the bibliography into a citation; a text that is no name and year stays."""
    text, paper = link.groups()
    if paper not in PAPERS:
        return link[0]
    cited = f"{{cite:alp}}`{PAPERS[paper]}`"
    return cited if re.search(r"\d{4}$", text) else f"{text} ({cited})"


def change_links(_: Sphinx, page: str, source: list[str]) -> None:
    """Links lead to where things are on the site.

    Links to notebooks lead to their pages, and back, those to papers into the bibliography; files that are in the
    repository only are named.
    """
    source[0] = re.sub(r"\[([^\[\]]*)\]\(https://(?:doi\.org|arxiv\.org/abs)/([^)]*)\)", cite, source[0])
    if page.startswith(("_tutorials", "_pages")):
        source[0] = source[0].replace("](../docs/", "](../").replace("](docs/", "](../")
        return
    text = source[0].replace("](../tutorials/", "](_tutorials/")
    for name in PAGES_ELSEWHERE:
        text = text.replace(f"](../{name}", f"](_pages/{name}")
    source[0] = re.sub(r"\[([^\]]*)\]\(\.\./([^)]*)\)", name_file, text)


def name_file(link: re.Match[str]) -> str:
    """Name a file that is in the repository only."""
    text, path = link.groups()
    return f"`{path}`" if text == path else f"{text} (`{path}` in the repository)"


def draw_formula(translator: HTML5Translator, node: math | math_block) -> None:
    """Write a formula as MathML."""
    block = isinstance(node, math_block)
    formula = tex2mathml(node.astext(), as_block=block)
    translator.body.append(f'<div class="formula">{formula}</div>' if block else formula)
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    copy_pages()
    list_functions()
    app.add_html_math_renderer("mathml", (draw_formula, None), (draw_formula, None))
    app.connect("source-read", change_links)
