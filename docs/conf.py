"""How the documentation is built: ``make docs``. Nothing is loaded from a network, here or later."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

from atomscape import __version__  # noqa: E402

project = "atomscape"
author = "The atomscape founders"
copyright = "2026, the atomscape founders"
release = version = __version__
language = "en_GB"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "alignment_gains",
    "audits",
    "dataset_cards",
    "equivariance",
    "faster",
    "mathml",
    "missing_atoms",
    "offline",
    "physics",
    "plain_docstrings",
    "potentials",
    "representations",
    "results",
    "run_table",
    "sharing",
    "speed",
    "tenfold",
    "vacancies",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = [
    "_build",
    "examples",
    "images/README.md",
    "gallery/sg_execution_times.rst",
]
templates_path = ["_templates"]
suppress_warnings = [
    "config.cache",  # sphinx-gallery's sorting key is a class, which the cache cannot keep
    "ref.python",  # two modules may have a class of one name: a signature then links to neither
]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
html_math_renderer = "mathml"

html_theme = "furo"
html_title = "atomscape"
html_static_path = ["_static"]
html_css_files = ["atomscape.css"]
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}

autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "min_reported_time": 1e9,
    "matplotlib_animations": False,
    "image_scrapers": ("matplotlib",),
    "reset_modules": ("matplotlib",),
}
