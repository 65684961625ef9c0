"""The course: chapters run as they stand, notebooks equal their text, and what they point at exists."""

import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from stages.params import merged

ROOT = Path(__file__).parents[2]
COURSE = ROOT / "docs/course"
CHAPTERS = sorted(COURSE.glob("[0-9]_*.md"))
PAGES = [*CHAPTERS, COURSE / "README.md"]

chapters = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def test_all_four_chapters_are_here():
    assert [chapter.name[0] for chapter in CHAPTERS] == ["1", "2", "3", "4"]


@chapters
def test_a_chapter_runs_without_a_warning_and_leaves_nothing_behind(chapter):
    before = sorted(COURSE.iterdir())
    notebook = jupytext.read(chapter)
    strict, lenient = "import warnings; warnings.simplefilter('error')", "warnings.simplefilter('default')"
    # the kernel itself warns when it is shut down
    notebook.cells = [nbformat.v4.new_code_cell(strict), *notebook.cells, nbformat.v4.new_code_cell(lenient)]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(COURSE)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any(output.output_type == "stream" for output in outputs)
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert sorted(COURSE.iterdir()) == before


@chapters
def test_a_notebook_equals_its_text_and_holds_no_outputs(chapter):
    text, notebook = jupytext.read(chapter), jupytext.read(chapter.with_suffix(".ipynb"))
    assert content(notebook) == content(text), f"run: jupytext --sync {chapter.relative_to(ROOT)}"
    assert notebook.metadata.kernelspec == text.metadata.kernelspec
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None


def content(notebook) -> list[tuple[str, str]]:
    """What a reader sees of a notebook."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_links_lead_to_files():
    links = [(page, target) for page in PAGES for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text())]
    relative = [(page, target.split("#")[0]) for page, target in links if not target.startswith(("http", "#"))]
    assert len(relative) > 30
    assert not [(page.name, target) for page, target in relative if not (page.parent / target).exists()]


def test_experiments_change_params_and_name_stages_that_exist():
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    commands = lines(r"dvc exp run (.*)")
    assert commands
    for command in commands:
        changes, targets = re.findall(r"-S (\S+)=(\S+)", command), re.sub(r"-S \S+", "", command).split()
        assert changes and targets and set(targets) <= stages.keys(), command
        for key, value in changes:
            current = params
            for name in key.split("."):
                current = current[name]
            assert yaml.safe_load(value) != current, f"{key} is {value} already"


def test_edits_of_the_quick_params_meet_one_line():
    overrides = yaml.safe_load((ROOT / "params.quick.yaml").read_text())
    params = yaml.safe_dump(merged(yaml.safe_load((ROOT / "params.yaml").read_text()), overrides), sort_keys=False)
    edits = lines(r"perl -pi -e 's/([^/]+)/[^/]+/' params.yaml")
    assert edits and all(params.count(before) == 1 for before in edits)


def test_solutions_start_from_the_committed_metrics():
    """Tables as `dvc metrics diff` prints them: the column HEAD is what is in metrics/."""
    rows = lines(r"\| (metrics/\S+) \| (\S+) \| (\S+) \| (\S+) \| (\S+) \|")
    assert rows
    for path, metric, head, workspace, change in rows:
        committed = json.loads((ROOT / path).read_text())
        for name in metric.split("."):
            committed = committed[name]
        assert float(head) == pytest.approx(committed, abs=6e-6), (path, metric)
        assert float(workspace) - float(head) == pytest.approx(float(change), abs=2e-5), (path, metric)


def lines(pattern: str) -> list:
    """What the groups of a pattern match in whole lines of all pages."""
    return [found for page in PAGES for found in re.findall(f"^{pattern}$", page.read_text(), flags=re.MULTILINE)]
