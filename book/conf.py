"""How Sphinx makes the book from `build/book/source`, which `build.py` laid out."""

import sys
import tomllib
from pathlib import Path

BOOK = Path(__file__).parent
ROOT = BOOK.parent
sys.path.insert(0, str(BOOK / "extensions"))

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]

project = "What should a token be?"
author = PROJECT["authors"][0]["name"]
copyright = author
version = release = PROJECT["version"]
language = "en"

extensions = ["myst_nb", "autoapi.extension", "sphinx.ext.napoleon", "mathml", "pictures", "docstrings"]
root_doc = "index"

nb_execution_mode = "off"  # the committed notebooks hold their outputs
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
html_math_renderer = "mathml"

autoapi_dirs = [str(ROOT / "olmoearth_nb")]
autoapi_root = "api"
autoapi_add_toctree_entry = False
autoapi_keep_files = True
autoapi_file_patterns = ["*.py"]
autoapi_options = ["members", "undoc-members", "show-module-summary"]
autoapi_member_order = "groupwise"
autoapi_python_class_content = "class"
suppress_warnings = [
    "autoapi.python_import_resolution",  # constants that another module imports
    "ref.python",  # fields of docstrings have short names, which several classes have
]
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"  # one backtick is code in the docstrings, as in Markdown

html_theme = "sphinx_book_theme"
html_title = project
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_static_path = [str(BOOK / "static")]
html_css_files = ["book.css"]
html_js_files = ["calculator.js"]
html_copy_source = False
html_use_index = False  # the search does it better
html_domain_indices = False
html_show_search_summary = False  # they are fetched, which browsers refuse on pages from the disk
html_show_sphinx = False
html_last_updated_fmt = None
html_theme_options = {
    "repository_url": PROJECT["urls"]["Repository"],
    "repository_branch": "main",
    "use_repository_button": True,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "use_download_button": False,
    "navbar_persistent": [],  # the sidebar has the search
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "collapse_navigation": True,  # a sidebar without hundreds of modules
}
