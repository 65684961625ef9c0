"""DVC's pages of plots load nothing once their template is there, and work as ever while it is not."""

import base64
import re
import subprocess

import numpy as np
import pytest

from tests.browser import quiet_page
from tools import plots_page, quick
from tools.report.pictures import ink

PLOTS = """plots:
- Curve:
    x: step
    y: {curve.csv: elbo}
- picture.png
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository with a curve in two versions and a picture."""
    folder = tmp_path_factory.mktemp("repository")
    run(folder, "git", "init", "--quiet", "--initial-branch=main")
    run(folder, "dvc", "init", "--quiet")
    run(folder, "dvc", "config", "core.analytics", "false")
    (folder / "dvc.yaml").write_text(PLOTS)
    picture = ink(np.full((8, 8), 255, dtype=np.uint8)).partition(",")[2]
    (folder / "picture.png").write_bytes(base64.b64decode(picture))
    (folder / "curve.csv").write_text("step,elbo\n1,-3\n2,-2\n")
    run(folder, "git", "add", "--all")
    run(
        folder, "git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "one"
    )
    (folder / "curve.csv").write_text("step,elbo\n1,-3\n2,-1\n")
    return folder


def run(folder, *command):
    result = subprocess.run(command, cwd=folder, env=quick.environment(), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def shown(folder, *command):
    """The page that `dvc plots` writes, and where."""
    run(folder, "dvc", "plots", *command, "--out", command[0])
    path = folder / command[0] / "index.html"
    return path, path.read_text()


@pytest.fixture(scope="module")
def offline(repository):
    """The repository, told to write pages that open offline."""
    _, before = shown(repository, "show")
    assert "https://cdn" in before  # DVC as it comes; if it ever brings Vega along, plots_page can go
    run(repository, "dvc", "config", "--local", "core.autostage", "true")
    run(plots_page.ROOT, "python", "-m", "tools.plots_page", "--folder", str(repository))
    return repository


@pytest.mark.slow
@pytest.mark.parametrize("command", ["show", "diff"])
def test_pages_load_nothing_from_elsewhere(offline, command):
    _, html = shown(offline, command)
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=[\"']?(?:https?:)?//", html) == []
    assert "vegaEmbed" in html
    assert "static/" in html  # the picture, beside the page
    assert "{plot_divs}" not in html


@pytest.mark.slow
def test_other_settings_stay(offline):
    assert run(offline, "dvc", "config", "--local", "core.autostage").strip() == "true"


def test_the_template_loads_nothing():
    """DVC puts the charts in; Vega has none of DVC's placeholders in it."""
    made = plots_page.template()
    assert made.count("{plot_divs}") == made.count("{refresh_tag}") == 1
    assert "{scripts}" not in made
    assert "window.vegaEmbed" in made
    assert re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", made.partition("<script>")[0]) == []


def test_git_ignores_the_template():
    names = [f".dvc/{plots_page.TEMPLATE}", "report/index.html"]
    assert run(plots_page.ROOT, "git", "check-ignore", *names).split() == names


def test_a_folder_without_dvc(tmp_path):
    command = ["python", "-m", "tools.plots_page", "--folder", str(tmp_path)]
    result = subprocess.run(command, cwd=plots_page.ROOT, env=quick.environment(), capture_output=True, text=True)
    assert result.returncode == 1
    assert re.fullmatch(r".* has no \.dvc folder: .*\n", result.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["show", "diff"])
def test_charts_are_drawn_without_a_network(offline, browser, command):
    path, _ = shown(offline, command)
    with quiet_page(browser, path.as_uri(), beside=[path.parent.as_uri()], warnings=True) as page:
        page.wait_for_selector("canvas.marks, svg.marks")
        assert page.evaluate("document.images[0].naturalWidth") == 8
