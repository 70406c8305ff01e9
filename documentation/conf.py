"""Sphinx's settings: Markdown as on GitHub, docstrings in Google's style, nothing from the web."""

from d24fad_core import RESEARCH_USE_ONLY, __version__

project = "D24FAD"
author = "The D24FAD contributors"
project_copyright = f"{author}. {RESEARCH_USE_ONLY}"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.githubpages"]
exclude_patterns: list[str] = []

myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a document may leave out a level of headings

default_role = "code"  # docstrings set code in single backticks
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes stand in the class's docstring, once
napoleon_attr_annotations = False  # their types stand in the signature

html_theme = "furo"
html_title = f"D24FAD {__version__}"
html_theme_options = {"announcement": f"<strong>{RESEARCH_USE_ONLY}</strong>"}
html_copy_source = False
html_show_sphinx = False
