"""The VAE's sections: what they draw, and what they keep of an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from tools.report import pictures
from tools.report.sources import Run


def galleries(run: Run) -> dict[str, Any]:
    """Pictures of both autoencoders, as data: URIs.

    Returns:
        samples: a grid. pairs: a held-out image and its reconstruction each. walks: rows from one image to
        another. styles: a grid with a class in each row. analogies: a held-out digit and its style in every class,
        each.
    """
    vae, ssvae = run.predictions("vae")["pictures"], run.predictions("ssvae")["pictures"]
    samples = vae["samples"]
    across = max(size for size in (8, 4, 2, 1) if len(samples) % size == 0)
    originals, styled = ssvae["originals"] / 255.0, ssvae["analogies"]
    pairs = zip(vae["originals"] / 255.0, vae["reconstructions"], strict=True)
    return {
        "samples": pictures.grid(samples.reshape(-1, across, samples.shape[-1])),
        "drawn": len(samples),
        "pairs": [pictures.grid(np.stack(pair)[None]) for pair in pairs],
        "walks": pictures.grid(vae["walks"]),
        "styles": pictures.grid(ssvae["styles"]),
        "classes": len(ssvae["styles"]),
        "analogies": [
            {"original": pictures.one(original), "styled": pictures.grid(row[None])}
            for original, row in zip(originals, styled, strict=True)
        ][:6],
    }
