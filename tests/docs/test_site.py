"""The site: what fails its build, on small pages, and the real one in a browser."""

from pathlib import Path

import pytest

from tests.browser import quiet_page
from tests.docs.conftest import build
from tests.tiny import ROOT

pytest.importorskip("myst_nb", reason="docs/requirements.txt is not installed: `make test-slow` does that")
pytestmark = pytest.mark.slow

NOTEBOOK = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

$a_1 = \\frac{1}{2}$

```{code-cell} python
print(6 * 7)
```
"""
GOOD = """# A page

[code](../stages/train.py), [a folder](../stages/), [changes](../CHANGELOG.md),
[a chapter](chapter.md#a-chapter), [here](#a-page)
"""


# what is folded away has no size
BOXES = """all => all.filter(math => math.checkVisibility()).map(math => math.getBoundingClientRect())
    .map(box => [box.width, box.height])"""


def html(folder: Path, page: str) -> str:
    return (folder / f"docs/_build/html/{page}.html").read_text()


def test_a_chapter_is_executed_and_its_formulas_are_mathml(pages):
    folder = pages(chapter=NOTEBOOK, page=GOOD)
    result = build(folder)
    assert result.returncode == 0, result.stderr
    assert "42" in html(folder, "chapter")
    assert "<mfrac>" in html(folder, "chapter")


def test_links_to_files_without_an_address_are_downloads(pages):
    folder = pages(chapter=NOTEBOOK, page=GOOD)
    assert build(folder).returncode == 0
    assert "train.py" in html(folder, "page") and 'href="_downloads/' in html(folder, "page")
    assert len(list(folder.glob("docs/_build/html/_downloads/*/CHANGELOG.md"))) == 1
    assert [path.read_text() for path in folder.glob("docs/_build/html/_downloads/*/train.py")] == [
        "print('train')\n"
    ]


def test_links_to_files_lead_to_the_repository(pages):
    links = "[a page](docs/page.md), [code](stages/train.py), [a folder](stages/), [changes](CHANGELOG.md)"
    folder = pages(f"# Read me\n\n{links}\n", chapter=NOTEBOOK, page=GOOD)
    result = build(folder, REPOSITORY="https://example.org/a/b", REVISION="v1")
    assert result.returncode == 0, result.stderr
    for page in ("page", "index"):
        assert 'href="https://example.org/a/b/blob/v1/stages/train.py"' in html(folder, page)
        assert 'href="https://example.org/a/b/tree/v1/stages"' in html(folder, page)
        assert 'href="https://example.org/a/b/blob/v1/CHANGELOG.md"' in html(folder, page)
    assert 'href="page.html"' in html(folder, "index")


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("[gone](../stages/gone.py)", "'../stages/gone.py'"),
        ("[gone](gone.md)", "'gone.md'"),
        ("[gone](chapter.md#gone)", "local id not found in doc 'chapter': 'gone'"),
        ("[gone](#gone)", "'gone'"),
        ("![gone](../plots/gone.png)", "image file not readable"),
        (r"$\elbow x$", r"math: \elbow x: unknown: \elbow"),
        ("```{literalinclude} ../stages/gone.py\n```", "gone.py"),
    ],
)
def test_a_fault_fails_the_build(pages, fault, complaint):
    result = build(pages(chapter="# A chapter\n", page=f"{GOOD}\n{fault}\n"))
    assert result.returncode != 0
    assert complaint in result.stderr and "page.md" in result.stderr


def test_a_cell_that_raises_fails_the_build(pages):
    result = build(pages(chapter=NOTEBOOK.replace("6 * 7", "6 / 0"), page=GOOD))
    assert result.returncode != 0
    assert "ZeroDivisionError" in result.stderr


def test_a_broken_link_of_the_readme_fails_the_build(pages):
    result = build(pages("# Read me\n\n[gone](docs/gone.md)\n", chapter="# A chapter\n"))
    assert result.returncode != 0
    assert "'gone.md'" in result.stderr


@pytest.fixture(scope="module")
def site():
    """The real site, as `make docs` builds it."""
    result = build(ROOT)
    assert result.returncode == 0, result.stderr
    return ROOT / "docs/_build/html"


def test_the_site_has_every_page_and_chapter(site):
    sources = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/course/*.md")]
    assert len(sources) > 4
    for source in sources:
        assert (site / source.relative_to(ROOT / "docs").with_suffix(".html")).is_file()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_in_a_browser(site, browser, width, scheme):
    """No request leaves the site, nothing is wrong, formulas are visible, and no page is wider than the window."""
    window = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    formulas = 0
    for path in sorted(site.rglob("*.html")):
        with quiet_page(browser, path.as_uri(), beside=(site.as_uri(),), **window) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
            boxes = page.locator("math").evaluate_all(BOXES)
            assert all(wide > 2 and high > 2 for wide, high in boxes), path.name
            formulas += len(boxes)
    assert formulas > 5


def test_the_theme_can_be_changed_by_keyboard(site, browser):
    window = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
    address = (site / "index.html").as_uri()  # the theme writes to the console what it does
    with quiet_page(browser, address, beside=(site.as_uri(),), warnings=True, **window) as page:
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        page.locator("button.theme-toggle:visible").first.focus()
        page.keyboard.press("Enter")  # from automatic to what the system does not prefer
        assert page.evaluate(background) != light
