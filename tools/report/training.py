"""How the trainings went."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.params import MODELS
from tools.report import charts
from tools.report.headline import title
from tools.report.sources import Run

# what elbo.csv has in its column `validation`, and per what the objective counts
VALIDATION = {
    "blr": ("point", "log likelihood (nats)"),
    "bnn": ("image", "log likelihood (nats)"),
    "vae": ("image", "ELBO (nats)"),
    "ssvae": ("image", "error (%)"),
}


def section(run: Run) -> list[dict[str, Any]]:
    """For each model its title and two specs, of the objective and of what was validated."""
    found = []
    for model in MODELS:
        table = run.history(model)
        datum, validated = VALIDATION.get(model, ("datum", "validation"))
        rows = [{key: float(f"{value:.6g}") for key, value in row.items()} for row in table.to_dict("records")]
        low = float(np.percentile(table["elbo"], 10)) if len(table) > 4 else None
        found.append(
            {
                "model": model,
                "title": title(model),
                "objective": charts.history(rows, "elbo", f"nats per {datum}", charts.BLUE, low),
                "validation": charts.history(rows, "validation", validated, charts.ORANGE),
            }
        )
    return found
