"""Draw the figures of the study from its table alone: studies/labels/plots/labels.png."""

import argparse
import shutil
from pathlib import Path

from stages import artifacts, command
from stages.figures.style import BLUE, GREEN, GREY, ORANGE, figure
from studies.labels import STUDY
from studies.run import ROOT

SHOWN = {  # models in the picture: what to call them, colour, marker
    "labels_only": ("default, labels alone", BLUE, "o--"),
    "default": ("default", BLUE, "o-"),
    "labels_only_best": ("best, labels alone", ORANGE, "s--"),
    "consistency_only": ("best without the generative model", GREEN, "^:"),
    "best": ("best", ORANGE, "s-"),
    "no_consistency": ("default without consistency", "black", "D"),
}
PUBLISHED = {  # test error (%) of Kingma et al. (2014), by the number of labels
    "M2 (2014)": {100: 11.97, 600: 4.94, 1000: 3.60, 3000: 3.92},
    "M1+M2 (2014)": {100: 3.33, 600: 2.59, 1000: 2.40, 3000: 2.18},
}
PANELS = {  # key: what to call it, and ticks; the axis begins with the first (intervals may go on below)
    "error_percent": ("test error (%)", [0.5, 1, 2, 5, 10]),
    "nll_temperature": ("NLL after temperature scaling (nats)", [0.02, 0.05, 0.1, 0.2, 0.5]),
}
APART = 1.03  # factor between the models' places on the axis of labels, so that intervals do not hide each other


def main() -> None:
    """Draw all figures."""
    argparse.ArgumentParser(prog="python -m studies.labels.plot", description=__doc__).parse_args()
    folder = ROOT / "studies" / STUDY / "plots"
    shutil.rmtree(folder, ignore_errors=True)
    curves(folder / "labels.png", artifacts.read_json(ROOT / "metrics/ssvae_labels.json")["models"])


def curves(path: Path, models: dict) -> None:
    """Error and negative log likelihood against the number of labels, with 95% intervals over trainings."""
    with figure(path, columns=len(PANELS), size=(5.0, 4.2)) as axes:
        for axis, (key, (text, ticks)) in zip(axes, PANELS.items(), strict=True):
            for place, (name, (label, colour, style)) in enumerate(SHOWN.items()):
                counts = sorted(models[name], key=int)
                entries = [models[name][count][key] for count in counts]
                means = [entry["mean"] for entry in entries]
                above = [entry["ci95_seeds"] or 0.0 for entry in entries]
                below = [min(up, 0.9 * mean) for up, mean in zip(above, means, strict=True)]  # a log axis has no 0
                axis.errorbar(
                    [int(count) * APART ** (place - len(SHOWN) // 2) for count in counts],
                    means,
                    yerr=[below, above],
                    fmt=style,
                    color=colour,
                    capsize=3,
                    label=label,
                )
            axis.set(xscale="log", yscale="log", xlabel="labelled images", ylabel=text)
            axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.set_xticks([100, 600, 1000, 3000], ["100", "600", "1,000", "3,000"], minor=False)
            axis.minorticks_off()
            axis.grid(color=GREY, alpha=0.3)
        for marker, (name, errors) in zip("xd", PUBLISHED.items(), strict=True):
            axes[0].plot(errors.keys(), errors.values(), marker, color=GREY, label=name)
        for axis, (_, ticks) in zip(axes, PANELS.values(), strict=True):
            axis.set_ylim(bottom=ticks[0])
        axes[0].figure.legend(
            *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9
        )


if __name__ == "__main__":
    command.run(main)
