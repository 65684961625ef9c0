"""Draw the figures of the study from its tables and predictions alone.

Writes studies/bnn_families/plots/: families.png, signal_to_noise.png, pruning.png and pruning.csv.
"""

import argparse
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from stages import artifacts, command
from stages.figures.style import BLUE, GREY, ORANGE, figure
from studies.bnn_families import STUDY
from studies.run import ROOT

SHOWN = {
    "error_percent": "error (%)",
    "nll": "negative log likelihood\n(nats)",
    "ece": "calibration error",
    "auroc_headline": "AUROC, Fashion-MNIST,\n{}",
}


def main() -> None:
    """Draw all figures."""
    argparse.ArgumentParser(prog="python -m studies.bnn_families.plot", description=__doc__).parse_args()
    study = ROOT / "studies" / STUDY
    folder, predictions = study / "plots", study / "runs/mean_field/predictions/weights"
    shutil.rmtree(folder, ignore_errors=True)
    families(folder / "families.png", artifacts.read_json(ROOT / "metrics/bnn_families.json"))
    signal_to_noise(
        folder / "signal_to_noise.png", artifacts.read_arrays(predictions / "signal_to_noise.safetensors")
    )
    pruning(folder, artifacts.read_json(study / "pruning.json"))


def families(path: Path, table: dict) -> None:
    """Each metric of each family, with its 95% interval over seeds; the chosen family is highlighted."""
    names = list(table["families"])[::-1]
    with figure(path, columns=len(SHOWN), size=(2.9, 3.4), sharey=True) as axes:
        for axis, (key, text) in zip(axes, SHOWN.items(), strict=True):
            for place, name in enumerate(names):
                entry = table["families"][name][key]
                colour = ORANGE if name == table["chosen"] else BLUE
                axis.errorbar(
                    entry["mean"], place, xerr=entry["ci95_seeds"] or 0.0, fmt="o", color=colour, capsize=3
                )
            axis.set(title=text.format(table["headline"].replace("_", " ")))
            axis.grid(axis="x", color=GREY, alpha=0.3)
        axes[0].set_yticks(range(len(names)), [label(name) for name in names])


def label(family: str) -> str:
    """The label of a family."""
    text = family.replace("_", " ")
    return re.sub(r"\b(map|mc|laplace)\b", lambda word: {"laplace": "Laplace"}.get(word[0], word[0].upper()), text)


def signal_to_noise(path: Path, ratios: dict[str, np.ndarray]) -> None:
    """Histograms of |loc| / sd for the weights of each layer; weights with a ratio below 1 may be zero."""
    sites = [site for site in ratios if site.endswith("weight")]
    layers = {site: ratios[site] for site in sorted(sites, key=lambda site: int(site.split(".")[-2]))}
    bins = np.linspace(-3, 3, 61)
    with figure(path, columns=len(layers), size=(2.9, 3.0), sharex=True) as axes:
        for place, (axis, ratio) in enumerate(zip(axes, layers.values(), strict=True), start=1):
            axis.hist(np.log10(np.maximum(ratio.ravel(), 1e-6)), bins, color=BLUE)
            axis.axvline(0, color=ORANGE, ls=":")
            axis.set(title=f"layer {place}: {ratio.size:,} weights", xlabel="log10 |mean| / sd", yticks=[])


def pruning(folder: Path, along: dict) -> None:
    """Error against the share of pruned weights, lowest signal-to-noise ratio first."""
    rows = pd.DataFrame({"share": [float(share) for share in along]} | _columns(along))
    artifacts.write_csv(folder / "pruning.csv", rows)
    with figure(folder / "pruning.png") as axis:
        axis.plot(100 * rows["share"], rows["error_percent"], "o-", color=BLUE)
        axis.set(title="Pruning", xlabel="weights pruned (%)", ylabel="error on held-out digits (%)")
        axis.set(yscale="log")


def _columns(along: dict) -> dict[str, list[float]]:
    return {key: [of[key] for of in along.values()] for key in next(iter(along.values()))}


if __name__ == "__main__":
    command.run(main)
