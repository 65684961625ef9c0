"""Write the results as one page, report/index.html, that opens offline in any browser.

It reads metrics/, plots/, predictions/, the network's weights in posteriors/ and the images in data/, of the first
seed in params.yaml. Nothing is trained.
"""

import argparse
import os
from pathlib import Path

from stages import artifacts, command


def main() -> None:
    """Gather, render, write."""
    parser = argparse.ArgumentParser(prog="python -m tools.report", description=__doc__)
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        help="where the pipeline was run, such as .quick after `make quick` (default: here)",
    )
    args = parser.parse_args()
    if not (args.folder / "params.yaml").is_file():
        raise command.Failure(f"{args.folder / 'params.yaml'} is missing: --folder names a folder with a dvc.yaml")
    os.chdir(args.folder)
    settings = command.settings_of("params.yaml")

    from tools.report import page
    from tools.report.sources import Run

    path = Path("report", "index.html")
    html = page.render(page.content(Run(settings)))
    with artifacts.replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
    print(f"{args.folder / path}: {path.stat().st_size / 1e6:.1f} MB, opens in a browser without a server")


if __name__ == "__main__":
    command.run(main)
