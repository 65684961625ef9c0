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
from stages.params import MODELS, load
from studies.bnn_families.plot import label
from tools import costs, quick

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
    return f"{found['mean']:.{decimals}f}{half_width}"


SHOWN_OTHERS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}

SPEED = [  # path in benchmarks/results.json, what to call it
    ("svi_step.{model}.contestants.ours.median_ms", "this loop, ms"),
    ("svi_step.{model}.ours_over_handwritten", "÷ hand-written PyTorch"),
    ("svi_step.{model}.tutorial_over_ours", "Pyro as documented ÷ this"),
    ("svi_step.{model}.ours_over_numpyro", "÷ NumPyro, jitted"),
    ("svi_step.{model}.bayesian_torch_over_ours", "bayesian-torch ÷ this"),
    ("svi_step.{model}.ours_over_floor", "÷ matrix products alone"),
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
    """What comes of handing unsure digits to a person as a Markdown table, from metrics/referral/bnn/0.json."""
    metrics = json.loads((ROOT / "metrics/referral/bnn/0.json").read_text())
    lines = ["| | handed to a person (%) | wrong among the answered (%) |", "|---|---|---|"]
    for name, text in SHOWN.items():
        none = metrics[name]["referred_percent"] == 100
        wrong = "–" if none else "all of them"
        if "error_percent" in metrics[name] and not none:
            wrong = _between(metrics[name], "error_percent", 2)
        lines.append(f"| {text} | {_between(metrics[name], 'referred_percent', 1)} | {wrong} |")
    return "\n".join(lines)


def _between(metrics: dict, key: str, decimals: int) -> str:
    low, high = (metrics[f"{key}_{end}"] for end in ("low", "high"))
    return f"{metrics[key]:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


COLUMNS = [  # key in metrics/bnn_families.json, what to call it, decimals, factor
    ("error_percent", "error %", 2, 1),
    ("nll", "NLL", 4, 1),
    ("ece", "ECE", 4, 1),
    ("nll_temperature", "NLL, tempered", 4, 1),
    ("ece_temperature", "ECE, tempered", 4, 1),
    ("auroc_entropy", "AUROC, entropy", 4, 1),
    ("auroc_mutual_information", "mutual information", 4, 1),
    ("auroc_feature_density", "feature density", 4, 1),
    ("auroc_feature_distance", "feature distance", 4, 1),
    ("members", "networks", 0, 1),
    ("steps", "steps", 0, 1),
    ("parameters", "parameters", 0, 1),
    ("posteriors", "training, s", 0, 1),
    ("predictions", "prediction, s", 1, 1),
]
SECONDS = ("posteriors", "predictions")  # from benchmarks/costs.json
COUNTS = ("members", "steps", "parameters")  # the same for all seeds


def families(name: str = "bnn_families") -> str:
    """A table of inference families, from metrics/<name>.json; the chosen one is bold."""
    if not (found := _study(name)) or "headline" not in found:
        return NOT_RUN
    prefix = "reverse_" if name == "bnn_reverse" else ""
    lines = ["| | " + " | ".join(text for _, text, _, _ in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for family, metrics in found["families"].items():
        values = []
        for key, _, decimals, factor in COLUMNS:
            if key in SECONDS:
                value = costs.mean_seconds(f"studies/bnn_families/runs/{prefix}{family}/{key}/*")
                values.append("" if value is None else f"{value:,.{decimals}f}")
                continue
            entry = metrics[key]
            plus_minus = None if key in COUNTS else entry["ci95_seeds"]
            interval = "" if plus_minus is None else f" ± {factor * plus_minus:.{decimals}f}"
            values.append(f"{factor * entry['mean']:,.{decimals}f}{interval}")
        mark = "**" if family == found["chosen"] else ""
        lines.append(f"| {mark}{label(family)}{mark} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def differences() -> str:
    """Every family minus the chosen one on the same test cases, from metrics/bnn_families.json."""
    if not (found := _study("bnn_families")) or "headline" not in found:
        return NOT_RUN
    area = f"auroc_{found['headline']}"
    titles = ("error (points)", "NLL", f"AUROC, {found['headline'].replace('_', ' ')}")
    lines = [f"| minus {label(found['chosen'])} | " + " | ".join(titles) + " |", "|---" * 4 + "|"]
    for family, of in found["paired"].items():
        cells = [f"{of[key]['mean']:+.4f} ± {of[key]['ci95']:.4f}" for key in ("error_percent", "nll", area)]
        lines.append(f"| {label(family)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def choice() -> str:
    """What the choice among families is made by as a Markdown table, from metrics/bnn_families.json."""
    if not (found := _study("bnn_families")) or "headline" not in found:
        return NOT_RUN
    lines = ["| family | NLL | AUROC, entropy, over made images |", "|---" * 3 + "|"]
    for name, of in found["validation"].items():
        mark = "**" if name == found["chosen"] else ""
        lines.append(
            f"| {mark}{label(name)}{mark} | {of['nll']['mean']:.5f} | {of['auroc_entropy']['mean']:.5f} |"
        )
    return "\n".join(lines)


def reference() -> str:
    """How far each family is from the sampled posterior as a Markdown table, from metrics/bnn_reference.json."""
    if not (found := _study("bnn_reference")):
        return NOT_RUN
    problems = found["problems"]
    titles = [f"{key}, {PROBLEMS[name]}" for name in problems for key in ("agreement %", "total variation", "NLL")]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    chains = [
        f"{100 * of['half_agreement']:.2f} | {of['half_total_variation']:.4f} | {of['nll']:.4f}"
        for of in (problem["reference"] for problem in problems.values())
    ]
    lines.append("| *chains: half against half* | " + " | ".join(chains) + " |")
    for family in next(iter(problems.values()))["families"]:
        cells = [
            f"{100 * of['agreement']:.2f} | {of['total_variation']:.4f} | {of['nll']:.4f}"
            for of in (problem["families"][family] for problem in problems.values())
        ]
        lines.append(f"| {label(family)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


PROBLEMS = {"last_layer": "last layer", "mlp": "whole network"}
NOT_RUN = "*This study has not been run with the committed code yet.*"
LIKELIHOODS = [  # key in metrics/vae_likelihood.json, what to call it, decimals
    ("iwae_5000", "−IWAE, 5,000 samples", 2),
    ("iwae_500", "−IWAE, 500 samples", 2),
    ("elbo", "−ELBO", 2),
    ("rate", "rate", 2),
    ("active_units", "active units", 0),
    ("parameters", "parameters", 0),
]


def likelihoods() -> str:
    """Bounds on the likelihood under several VAEs, from metrics/vae_likelihood.json; the chosen one is bold."""
    if not (found := _study("vae_likelihood")):
        return NOT_RUN
    names = [text for _, text, _ in LIKELIHOODS]
    lines = ["| | " + " | ".join([*names, "training, s"]) + " |", "|---" * (len(LIKELIHOODS) + 2) + "|"]
    for name, metrics in found["rows"].items():
        cells = []
        for key, _, decimals in LIKELIHOODS:
            entry = metrics[key]
            interval = f" ± {entry['ci95_seeds']:.{decimals}f}" if entry["ci95_seeds"] and decimals else ""
            cells.append(f"{entry['mean']:,.{decimals}f}{interval}")
        seconds = costs.mean_seconds(f"studies/vae_likelihood/runs/{name}/posteriors/vae/*")
        cells.append("" if seconds is None else f"{seconds:,.0f}")
        mark = "**" if name == found["chosen"] else ""
        lines.append(f"| {mark}{name}{mark} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


LABELS = [  # key in metrics/ssvae_labels.json, what to call it, decimals
    ("error_percent", "error %", 2),
    ("nll", "NLL", 3),
    ("ece", "ECE", 3),
    ("nll_temperature", "NLL, with temperature", 3),
    ("ece_temperature", "ECE, with temperature", 3),
]


def labels() -> str:
    """Every model of the study of labels, by their number, from metrics/ssvae_labels.json."""
    if not (found := _study("ssvae_labels")):
        return NOT_RUN
    lines = ["| | labels | " + " | ".join(text for _, text, _ in LABELS) + " |", "|---" * (len(LABELS) + 2) + "|"]
    for name, by_labels in found["models"].items():
        for count, metrics in sorted(by_labels.items(), key=lambda item: int(item[0])):
            cells = [_plus_minus(metrics[key], decimals) for key, _, decimals in LABELS]
            lines.append(f"| `{name}` | {int(count):,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def label_pairs() -> str:
    """Paired differences between models of the study of labels, from metrics/ssvae_labels.json."""
    if not (found := _study("ssvae_labels")):
        return NOT_RUN
    lines = ["| | labels | error % | NLL | NLL, with temperature |", "|---" * 5 + "|"]
    for pair, by_labels in found["paired"].items():
        name = " − ".join(f"`{model}`" for model in pair.split(" - "))
        for count, metrics in sorted(by_labels.items(), key=lambda item: int(item[0])):
            error, *others = (metrics[key] for key in ("error_percent", "nll", "nll_temperature"))
            cells = [
                f"{_plus_minus(error, 2)}, ± {error['ci95_test'] or 0:.2f}",
                *(_plus_minus(of, 3) for of in others),
            ]
            lines.append(f"| {name} | {int(count):,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _study(name: str) -> dict | None:
    path = ROOT / f"metrics/{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _plus_minus(entry: dict, decimals: int) -> str:
    interval = "" if entry["ci95_seeds"] is None else f" ± {entry['ci95_seeds']:.{decimals}f}"
    return f"{entry['mean']:.{decimals}f}{interval}".replace("-", "−")


FOREIGN = {  # scores of a VAE and baselines, and what to call them in a table
    "likelihood": "likelihood",
    "grey_divergence": "likelihood − entropy of the grey image",
    "input_complexity": "likelihood − length of a code",
    "likelihood_regret": "likelihood regret",
    "encoder_statistics": "density of encoder statistics",
    "all_statistics": "the same with entropy and code length",
    "latent_density": "density of latent means",
    "likelihood_ratio": "likelihood ratio of two levels",
    "combined": "combined",
    "grey_entropy": "no model: entropy of the grey image",
    "grey_entropy_two_sided": "no model: its distance from the median",
    "code_length": "no model: length of a code",
    "code_length_two_sided": "no model: its distance from the median",
}


FLIPPED = {"flipped horizontally": "mirrored", "flipped vertically": "upside down"}


def foreign() -> str:
    """AUROC of every score on made images, by which the headline score is named, and on the data set `ood.vae`."""
    settings = load(ROOT / "params.yaml")
    seed, other = settings.seeds[0], settings.ood.vae
    paths = (f"metrics/{name}/vae/{seed}.json" for name in ("surrogates", "ood"))
    made, measured = (json.loads((ROOT / path).read_text()) for path in paths)
    columns = {"made images, mean": made["mean"], SHOWN_OTHERS.get(other, other): measured[other]}
    return _scores(columns, settings.ood.headline)


def pairs() -> str:
    """AUROC of every score on all pairs, from metrics/vae_ood.json: a table for each data set that was learned."""
    path = ROOT / "metrics/vae_ood.json"
    found = json.loads(path.read_text()) if path.exists() else {"chosen": None, "pairs": {}}
    tables: dict[str, dict[str, dict]] = {}
    for pair, scores in found["pairs"].items():
        learned, other = (SHOWN_OTHERS.get(name, name.replace("_", " ")) for name in pair.split("_vs_"))
        tables.setdefault(learned, {})[FLIPPED.get(other, other)] = scores
    return "\n\n".join(
        _scores(columns, found["chosen"], f"AUROC, trained on {learned}") for learned, columns in tables.items()
    )


def _scores(columns: dict[str, dict], headline: str | None, title: str = "AUROC") -> str:
    lines = ["| " + " | ".join([title, *columns]) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, text in FOREIGN.items():
        if any(name in scores for scores in columns.values()):
            cells = (f"{scores[name]['auroc']:.4f}" if name in scores else "–" for scores in columns.values())
            mark = "**" if name == headline else ""
            lines.append(f"| {mark}{text}{mark} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
    "families": families,
    "reverse": partial(families, "bnn_reverse"),
    "differences": differences,
    "reference": reference,
    "choice": choice,
    "likelihoods": likelihoods,
    "labels": labels,
    "label_pairs": label_pairs,
    "foreign": foreign,
    "pairs": pairs,
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
