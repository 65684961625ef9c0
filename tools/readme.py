"""Write the parts of README.md and docs/*.md that come from results anew.

They stand between `<!-- name: … -->` and `<!-- end of name -->` in any of them; PARTS says what makes each.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

from stages.command import Failure, run
from stages.headline import entry, located
from stages.params import MODELS
from tools import quick, study_tables
from tools.study_tables import SHOWN_OTHERS

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]


def results() -> str:
    """The long list of all models, from metrics/summary.json."""
    summary = json.loads((ROOT / "metrics/summary.json").read_text())
    lines = ["| model | metric | test |", "|---|---|---|"]
    for model, keys, text, decimals in rows(summary, "RESULTS"):
        lines.append(f"| {model} | {text} | {value(entry(summary, keys), 'ci95_test', decimals)} |")
    return "\n".join(lines)


def headlines() -> str:
    """The rows of metrics/headline.json: on the test set, and over seeds where metrics/seeds.json has them."""
    summary, seeds = (json.loads((ROOT / f"metrics/{name}.json").read_text()) for name in ("summary", "seeds"))
    return headline_table(summary, seeds)


def headline_table(summary: dict, seeds: dict) -> str:
    """The headline metrics of all models that are in a summary, as a Markdown table."""
    lines = ["| model | metric | test | over seeds |", "|---|---|---|---|"]
    for model, keys, text, decimals in rows(summary, "HEADLINES"):
        test = value(entry(summary, keys), "ci95_test", decimals)
        others = value(entry(seeds, keys), "ci95_seeds", decimals) if located(seeds, ".".join(keys)) else "–"
        lines.append(f"| {model} | {text} | {test} | {others} |")
    return "\n".join(lines)


def rows(summary: dict, name: str) -> Iterator[tuple[str, tuple[str, ...], str, int]]:
    """Model, place in the summary, name and decimals of the metrics in each model's HEADLINES or RESULTS."""
    for model in MODELS:
        evaluation = import_module(f"stages.evaluation.{model}")
        paths = getattr(evaluation, name)
        for path in paths.values() if name == "HEADLINES" else paths:
            text, decimals = evaluation.RESULTS[path]
            if keys := located(summary, path):
                other = SHOWN_OTHERS.get(keys[1], keys[1].replace("_", " "))  # a data set, where there are some
                yield evaluation.TITLE, keys, text.format(other=other, **summary), decimals


def value(found: dict, interval: str, decimals: int) -> str:
    """A mean and half of its interval, if it has one."""
    half_width = f" ± {found[interval]:.{decimals}f}" if found[interval] and decimals else ""
    return f"{found['mean']:.{decimals}f}{half_width}".replace("-", "−")


SPEED = [  # path in benchmarks/results.json, what to call it
    ("svi_step.{model}.contestants.ours.median_ms", "this loop, ms"),
    ("svi_step.{model}.ours_over_handwritten", "this ÷ hand-written PyTorch"),
    ("svi_step.{model}.tutorial_over_ours", "Pyro as documented ÷ this"),
    ("svi_step.{model}.ours_over_numpyro", "this ÷ NumPyro, jitted"),
    ("svi_step.{model}.bayesian_torch_over_ours", "bayesian-torch ÷ this"),
    ("svi_step.{model}.ours_over_floor", "this ÷ matrix products alone"),
]
STEPS = {
    "bnn_mlp": "BNN 784-400-400-10",
    "bnn_lenet": "BNN LeNet",
    "vae": "VAE 784-400-50",
    "ssvae": "SS-VAE, no labels",
}


def speed() -> str:
    """One gradient step of each model as a Markdown table, from benchmarks/results.json."""
    results = json.loads((ROOT / "benchmarks/results.json").read_text())
    lines = [
        "| one gradient step | " + " | ".join(text for _, text in SPEED) + " |",
        "|---" * (len(SPEED) + 1) + "|",
    ]
    for model, name in STEPS.items():
        values = []
        for path, _ in SPEED:
            value = results
            for key in path.format(model=model).split("."):
                value = value.get(key, {})
            values.append("" if value == {} else f"{value:.1f}" if path.endswith("ms") else f"{value:.2f}")
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(lines)


SHOWN = {
    "mnist": "held-out digits",
    "inverted_mnist": "inverted digits",
    "sklearn_digits": "scikit-learn's digits, enlarged",
    "fashion_mnist": "Fashion-MNIST",
    "photographs": "patches of a photograph",
    "strokes": "random strokes",
    "shuffled_blocks": "shuffled blocks of digits",
    "gaussian_noise": "Gaussian noise",
    "uniform_noise": "uniform noise",
}


def decisions() -> str:
    """What comes of handing unsure digits to a person, as a Markdown table, from the metrics of the first seed."""
    metrics, own, shifted = (
        json.loads((ROOT / f"metrics/{of}/0.json").read_text()) for of in ("referral/bnn", "bnn", "shift/bnn")
    )
    everything = {"mnist": own} | {form: shifted[form]["1"] for form in ("inverted_mnist", "sklearn_digits")}
    titles = ("handed to a person (%)", "wrong among the answered (%)", "wrong if all are answered (%)", "NLL")
    lines = ["| | " + " | ".join(titles) + " |", "|---" * 5 + "|"]
    for name, text in SHOWN.items():
        none = metrics[name]["referred_percent"] == 100
        wrong = "–" if none else "all of them"
        if "error_percent" in metrics[name] and not none:
            wrong = _between(metrics[name], "error_percent", 2)
        cells = [_between(metrics[name], "referred_percent", 1), wrong, "all of them", "–"]
        if name in everything:
            cells[2:] = f"{everything[name]['error_percent']:.2f}", f"{everything[name]['nll']:.3f}"
        lines.append(f"| {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _between(metrics: dict, key: str, decimals: int) -> str:
    low, high = (metrics[f"{key}_{end}"] for end in ("low", "high"))
    return f"{metrics[key]:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


def dag() -> str:
    """The pipeline as a Mermaid flowchart, without the studies."""
    command = ["dvc", "dag", "--mermaid", "--collapse-foreach-matrix"]
    result = subprocess.run(command, cwd=ROOT, env=quick.environment(), capture_output=True, text=True, check=True)
    lines = result.stdout.strip().splitlines()
    studies = {line.split("[")[0].strip() for line in lines if '["studies/' in line}
    chart = "\n".join(line for line in lines if studies.isdisjoint(re.findall(r"node\d+", line)))
    return f"```mermaid\n{chart}\n```"


PARTS = {
    "headlines": headlines,
    "results": results,
    "decisions": decisions,
    "families": study_tables.families,
    "reverse": partial(study_tables.families, "bnn_reverse"),
    "reverse_differences": partial(study_tables.differences, "bnn_reverse"),
    "differences": study_tables.differences,
    "reference": study_tables.reference,
    "more_data": study_tables.more_data,
    "choice": study_tables.choice,
    "unrestricted_choice": partial(study_tables.choice, unrestricted=True),
    "pruning": study_tables.pruning,
    "tuning": study_tables.tuning,
    "likelihoods": study_tables.likelihoods,
    "labels": study_tables.labels,
    "label_pairs": study_tables.label_pairs,
    "label_drawn": study_tables.label_drawn,
    "foreign": study_tables.foreign,
    "pairs": study_tables.pairs,
    "speed": speed,
    "dag": dag,
}


def updated(text: str) -> str:
    """A document's text with the parts between marks as they should be.

    Raises:
        Failure: if a mark names no part, or has no end.
    """
    found = re.findall(r"^<!-- (?:(\w+): .*|end of (\w+) )-->", text, flags=re.M)
    for name in (start or end for start, end in found):
        if name not in PARTS:
            raise Failure(f"<!-- {name}: … --> names no part that is made here: one of {', '.join(PARTS)}")
    if found != [mark for start, _ in found if start for mark in ((start, ""), ("", start))]:
        names = ", ".join(map("".join, found))
        raise Failure(f"each part must end before the next one begins, these do not: {names}")
    marks = r"^(<!-- (\w+): [^\n]*-->\n).*?^(<!-- end of \2 -->)"
    return re.sub(marks, lambda match: f"{match[1]}{PARTS[match[2]]()}\n{match[3]}", text, flags=re.S | re.M)


def main() -> None:
    """Rewrite the documents in place."""
    argparse.ArgumentParser(prog="python -m tools.readme", description=__doc__).parse_args()
    for document in DOCUMENTS:
        text = document.read_text()
        if (new := updated(text)) != text:
            document.write_text(new)
            print(f"{document.relative_to(ROOT)} is brought up to date")


if __name__ == "__main__":
    run(main)
