"""The documentation site, as Sphinx builds it from this folder: ``sphinx-build -W --keep-going docs build/site``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "site"))

project = "smtpfix"
version = release = importlib.metadata.version("smtpfix")
copyright = "the authors of smtpfix"  # noqa: A001 - Sphinx's name for it
html_title = f"smtpfix {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "public_names", "command_line", "sound_pages"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["site"]
nitpicky = False  # docstrings also name what is not public, and there is nothing to lead to

default_role = "py:obj"  # what the docstrings mean by `Policy.users`
add_module_names = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
toc_object_entries_show_parents = "hide"

smartquotes = False  # which would make a dash of an option's two hyphens
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a page may begin with a comment

html_theme = "furo"
html_static_path = ["site/style.css"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sphinx = False
html_last_updated_fmt = None
html_domain_indices = False
pygments_style = "default"
pygments_dark_style = "monokai"
