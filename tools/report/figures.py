"""The committed figures, plots/<model>/*.png."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.command import Failure
from stages.params import MODELS
from tools.report import pictures, words
from tools.report.headline import title


def section(**names: str) -> list[dict[str, Any]]:
    """The figures of each model with caption and alternative text.

    Args:
        names: `learned`, `other` and `images`, for the texts.

    Raises:
        Failure: if there are none.
    """
    found = []
    for model in MODELS:
        paths = sorted(Path("plots", model).glob("*.png"))
        if not paths:
            raise Failure(f"plots/{model} holds no figure: `git restore plots` or `dvc repro` brings it back")
        found.append({"title": title(model), "figures": [_figure(path, model, names) for path in paths]})
    return found


def _figure(path: Path, model: str, names: dict[str, str]) -> dict[str, Any]:
    called = words.figure(f"{model}/{path.stem}", **names)
    picture, width, height = pictures.file(path)
    return {
        "key": f"{model}/{path.stem}",
        "caption": called.caption,
        "alt": called.alt,
        "picture": picture,
        "width": width,
        "height": height,
    }
