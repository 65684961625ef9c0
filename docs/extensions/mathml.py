"""Formulas as MathML, which browsers draw themselves: no script, no font, no network.

latex2mathml lets pass what it does not know. Here that is an error, which fails the build.
"""

import re
import xml.etree.ElementTree as ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

TILDE, SIMILAR = "<mi>&#x0007E;</mi>", "<mo>&#x0223C;</mo>"  # what \sim is made, and the relation that it is


class UnsupportedError(Exception):
    """A formula cannot be drawn; the message says why."""


def mathml(latex: str, display: str = "inline") -> str:
    """The MathML of a formula.

    Args:
        latex: without its dollar signs.
        display: "inline" or "block".

    Raises:
        UnsupportedError: for commands that latex2mathml does not know, and for what is no LaTeX.
    """
    braces = re.sub(r"\\.", "", latex)
    if braces.count("{") != braces.count("}"):
        raise UnsupportedError("its braces do not match")
    # `align` would number its lines, of `aligned` the converter does not know the columns
    numberless = re.sub(r"(?<=\\)(begin|end)\{(?:aligned|align|split)\}", r"\1{align*}", latex.strip())
    # letters in braces become characters of Unicode, others an attribute that browsers do not draw
    braced = re.sub(r"(\\math(?:bb|cal|frak|scr|bf)) *([A-Za-z])", r"\1{\2}", numberless)
    try:
        made = convert(braced, display=display).replace(TILDE, SIMILAR)
        root = ElementTree.fromstring(made)
    except Exception as error:
        raise UnsupportedError(f"{type(error).__name__} {error}".strip()) from error
    unknown = {text for text in root.itertext() if "\\" in text}
    unknown |= {
        f"{variant} letters" for node in root.iter() if (variant := node.get("mathvariant", "normal")) != "normal"
    }
    if unknown:
        raise UnsupportedError(f"unknown: {', '.join(sorted(unknown))}")
    return made


def visit(display: str):
    """Of a formula in the text, or of one that stands alone."""

    def write(self, node: nodes.Element) -> None:
        try:
            made = mathml(node.astext(), display)
        except UnsupportedError as error:
            formula = " ".join(node.astext().split())
            logging.getLogger(__name__).warning("math: %s: %s", formula, error, location=node)
            made = ""
        self.body.append(made if display == "inline" else f'<div class="math-block">{made}</div>')
        raise nodes.SkipNode

    return write


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit("inline"), None), (visit("block"), None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
