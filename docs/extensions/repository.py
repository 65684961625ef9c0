"""The README as the first page, and links to files of the repository that are no pages.

A link to ../stages/train.py works on GitHub as it stands. On the site it leads to the file in the repository, if
conf.py knows the address, and is a download otherwise; a link to a folder is plain text then. MyST warns of a link
to nothing, which fails the build.
"""

import os
import re
from pathlib import Path

from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
LOCAL = r"(?![a-z]+:|#)"  # neither an address nor a place on the same page
LINK = re.compile(rf'(\]\(|^\[[^\]]+\]: |src=")<?{LOCAL}([^)\s">]+)', re.MULTILINE)
PLACE = "<!-- README -->"


def add_readme(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the README, its links as seen from docs/, in its place on the first page."""
    if docname == "index":
        app.env.note_dependency(str(ROOT / "README.md"))
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        source[0] = source[0].replace(PLACE, LINK.sub(seen_from_docs, readme))


def seen_from_docs(link: re.Match) -> str:
    """A link of the README, relative to docs/."""
    start, target = link.groups()
    return start + (target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}")


def to_repository(app: Sphinx, document: nodes.document) -> None:
    """Let links to files and folders lead to the repository."""
    for node in list(document.findall(addnodes.pending_xref)):
        if node.get("refdomain") == "doc" and Path(node["reftarget"]).is_absolute():  # Markdown outside docs/
            here = Path(app.env.doc2path(app.env.docname)).parent
            path = os.path.relpath(node["reftarget"] + ".md", here)
            node.replace_self(addnodes.download_reference("", "", *node.children, reftarget=path))
    for node in list(document.findall(addnodes.download_reference)):
        _, path = app.env.relfn2path(node["reftarget"], app.env.docname)
        if app.config.repository:
            node.replace_self(link(node, address(app, Path(path), "blob")))
    for node in list(document.findall(addnodes.pending_xref)):
        _, path = app.env.relfn2path(node["reftarget"].partition("#")[0], app.env.docname)
        if node.get("reftype") == "myst" and node["reftarget"][0] != "#" and Path(path).is_dir():
            there = app.config.repository
            node.replace_self(link(node, address(app, Path(path), "tree")) if there else node.children)


def link(node: nodes.Element, address: str) -> nodes.reference:
    """A link with the same text."""
    return nodes.reference("", "", *node.children, refuri=address, internal=False)


def address(app: Sphinx, path: Path, kind: str) -> str:
    """Where the repository shows a file (kind "blob") or a folder ("tree")."""
    return f"{app.config.repository}/{kind}/{app.config.revision}/{path.resolve().relative_to(ROOT)}"


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_config_value("repository", "", "env")
    app.add_config_value("revision", "main", "env")
    app.add_lexer("mermaid", TextLexer)  # GitHub draws these diagrams
    app.connect("source-read", add_readme)
    app.connect("doctree-read", to_repository, priority=400)  # before Sphinx collects the downloads
    return {"parallel_read_safe": True, "parallel_write_safe": True}
