"""Formulas as MathML: what is drawn, and what is refused."""

import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tests.tiny import ROOT

pytest.importorskip("latex2mathml", reason="docs/requirements.txt is not installed: `make test-slow` does that")
pytestmark = pytest.mark.slow
sys.path.insert(0, str(ROOT / "docs/extensions"))
from mathml import UnsupportedError, mathml  # noqa: E402

SPACE = "{http://www.w3.org/1998/Math/MathML}"


def parsed(latex, display="inline"):
    return ElementTree.fromstring(mathml(latex, display))


def test_fraction_has_numerator_and_denominator():
    fraction = parsed(r"\frac{a}{b + 1}").find(f".//{SPACE}mfrac")
    assert ["".join(part.itertext()) for part in fraction] == ["a", "b+1"]


def test_display():
    assert parsed("x", "block").get("display") == "block"


@pytest.mark.parametrize("environment", ["aligned", "align", "align*", "split"])
def test_aligned_lines_are_rows_without_numbers(environment):
    root = parsed(rf"\begin{{{environment}}} a &= b \\ c &= d \end{{{environment}}}")
    rows = ["".join(row.itertext()) for row in root.iter(f"{SPACE}mtr")]
    assert [row.strip() for row in rows] == ["a=b", "c=d"]


@pytest.mark.parametrize("latex", [r"\mathbb{E}", r"\mathbb E", r"\mathbb  E"])
def test_double_struck_letters_are_characters(latex):
    assert "".join(parsed(latex).itertext()) == "\N{MATHEMATICAL DOUBLE-STRUCK CAPITAL E}"


def test_distributed_as_is_a_relation():
    assert [node.text for node in parsed(r"x \sim p").iter(f"{SPACE}mo")] == ["\N{TILDE OPERATOR}"]


@pytest.mark.parametrize(
    "latex", [r"\elbow x", r"\frac{a", r"a}", r"\left( a", "a & b", r"\begin{nowhere} a & b \end{nowhere}"]
)
def test_what_cannot_be_drawn_is_refused(latex):
    with pytest.raises(UnsupportedError):
        mathml(latex)


def test_an_unknown_command_is_named():
    with pytest.raises(UnsupportedError, match=r"\\elbow"):
        mathml(r"\elbow x")
