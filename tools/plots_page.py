"""Have `dvc plots show` and `dvc plots diff` write pages that open offline.

DVC's own page loads Vega from the network. This writes a template with Vega in it, .dvc/plots/offline.html, and
names it in .dvc/config.local. Git ignores both: Vega is not part of this repository, and DVC fails where a config
names a template that is not there.
"""

import argparse
import subprocess
from pathlib import Path

import vl_convert

from stages import artifacts, command
from tools import quick

ROOT = Path(__file__).parent.parent
TEMPLATE = Path("plots/offline.html")  # from .dvc, as DVC reads it
VEGA_LITE = "5.21"  # DVC writes charts for version 5
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plots</title>
<link rel="icon" href="data:,">
{refresh_tag}
<style>
body { margin: 2rem; font: 1rem/1.5 system-ui, sans-serif; color: #1d2023; background: #fff; }
table { border-spacing: 1rem; }
img { max-width: 100%; height: auto; }
</style>
<script>
VEGA
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Write the template, tell DVC of it."""
    parser = argparse.ArgumentParser(prog="python -m tools.plots_page", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=ROOT, help="with a .dvc folder, such as .quick (default: the repository)"
    )
    folder = parser.parse_args().folder
    if not (folder / ".dvc").is_dir():
        raise command.Failure(f"{folder} has no .dvc folder: --folder names one where DVC was set up")
    with artifacts.replacing(folder / ".dvc" / TEMPLATE) as temporary:
        temporary.write_text(template(), encoding="utf-8")
    words = ["dvc", "config", "--local", "plots.html_template", str(TEMPLATE)]
    subprocess.run(words, cwd=folder, env=quick.environment(), check=True)
    print("`dvc plots show` and `dvc plots diff` write pages that open offline")


def template() -> str:
    """DVC's page, with Vega in it and no placeholder for scripts from elsewhere."""
    vega = vl_convert.javascript_bundle(vl_version=VEGA_LITE).replace("</script", "<\\/script")
    return PAGE.replace("VEGA", vega)


if __name__ == "__main__":
    command.run(main)
