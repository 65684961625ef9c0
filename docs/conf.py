"""How `make docs` builds the site: these pages and the course, by Sphinx, MyST-NB and Furo.

The environment may say where the repository can be read: REPOSITORY, such as https://github.com/<owner>/<name>,
and REVISION, a branch or a commit. Links to its files then lead there; without it, they are downloads.
"""

import hashlib
import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "extensions"))


def inputs() -> str:
    """A hash of what the course's notebooks read: another one, and they are executed anew."""
    found = hashlib.sha256()
    for folder in ("stages", "metrics", "docs/course"):
        for path in sorted((DOCS.parent / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                found.update(path.read_bytes())
    found.update((DOCS.parent / "params.yaml").read_bytes())
    return found.hexdigest()[:16]


project = "Pyro Demystified"
extensions = ["myst_nb", "mathml", "repository"]
exclude_patterns = ["_build", "examples", "extensions", "requirements.txt", "course/*.ipynb"]  # .md has the same

repository = os.environ.get("REPOSITORY", "")
revision = os.environ.get("REVISION", "main")

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "tasklist"]
myst_heading_anchors = 4  # the same as GitHub's

nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "cache" / inputs())
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 300  # seconds a cell
nb_merge_streams = True

html_theme = "furo"
html_title = project
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
