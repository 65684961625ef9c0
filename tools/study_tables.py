"""Tables of the studies, from their metrics, for tools/readme.py."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml

from stages.figures.vae_ood import SCORE_NAMES
from stages.params import load
from studies.bnn_families.plot import label
from studies.bnn_families.summarize import rival
from tools import costs

ROOT = Path(__file__).parent.parent
SHOWN_OTHERS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST"}
NOT_RUN = "*This study has not been run with the committed code yet.*"
PROBLEMS = {"last_layer": "last layer", "mlp": "whole network"}
COLUMNS = [  # key in metrics/bnn_families.json, what to call it, decimals, factor
    ("error_percent", "error %", 2, 1),
    ("nll", "NLL", 4, 1),
    ("ece", "ECE", 4, 1),
    ("nll_temperature", "NLL, with temperature", 4, 1),
    ("ece_temperature", "ECE, with temperature", 4, 1),
    ("auroc_headline", "AUROC, {headline}", 4, 1),
    ("fpr95_headline", "FPR95, {headline}", 4, 1),
    ("auroc_entropy", "AUROC, entropy", 4, 1),
    ("auroc_mutual_information", "mutual information", 4, 1),
    ("auroc_feature_density", "feature density", 4, 1),
    ("auroc_feature_distance", "feature distance", 4, 1),
    ("members", "members", 0, 1),
    ("steps", "steps", 0, 1),
    ("parameters", "parameters", 0, 1),
    ("posteriors", "training, s", 0, 1),
    ("predictions", "prediction, s", 1, 1),
]
SECONDS = ("posteriors", "predictions")  # from benchmarks/costs.json
COUNTS = ("members", "steps", "parameters")  # the same for all seeds
TRIAL = [
    ("error_percent", 2),
    ("nll", 4),
    ("ece", 4),
    ("temperature", 2),
]  # key in metrics/bnn_tuning.json, decimals
UNSAID = ("dataset", "inference", "member", "prior")  # in the family's name, or shown key by key


def families(name: str = "bnn_families") -> str:
    """A table of inference families, from metrics/<name>.json; the chosen one is bold."""
    if not (found := _study(name)) or "headline" not in found:
        return NOT_RUN
    prefix = "reverse_" if name == "bnn_reverse" else ""
    headline = found["headline"].replace("_", " ")
    columns = [column for column in COLUMNS if column[0] != f"auroc_{found['headline']}"]  # shown as the headline
    titles = (text.format(headline=headline) for _, text, _, _ in columns)
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(columns) + 1) + "|"]
    for family, metrics in found["families"].items():
        values = []
        for key, _, decimals, factor in columns:
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


def differences(name: str = "bnn_families") -> str:
    """Every family minus the chosen one on the same test cases, from metrics/<name>.json.

    Rows with the larger budget are those minus the chosen family with that budget.
    """
    if not (found := _study(name)) or "headline" not in found:
        return NOT_RUN
    area = f"auroc_{found['headline']}"
    titles = ("error (points)", "NLL", f"AUROC, {found['headline'].replace('_', ' ')}")
    lines = [f"| minus {label(found['chosen'])} | " + " | ".join(titles) + " |", "|---" * 4 + "|"]
    for family, of in found["paired"].items():
        cells = (_difference(of[key], 4) for key in ("error_percent", "nll", area))
        other = rival(family, found["chosen"])
        minus = "" if other == found["chosen"] else f", minus {label(other)}"
        lines.append(f"| {label(family)}{minus} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def choice(unrestricted: bool = False) -> str:
    """What a family is chosen by as a Markdown table, from metrics/bnn_families.json.

    Args:
        unrestricted: not among the candidates, but among all families.
    """
    if not (found := _study("bnn_families")) or "unrestricted" not in found:
        return NOT_RUN
    made = found["unrestricted"] if unrestricted else found
    titles = ("NLL", "minus the best", "AUROC", "minus the best", "networks", "parameters")
    lines = ["| family | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, differences in made["choice"].items():
        mark = "**" if name == made["chosen"] else ""
        cells = []
        for key in ("nll", "auroc_entropy"):
            cells.append(f"{found['validation'][name][key]['mean']:.5f}")
            cells.append(_difference(differences[key], 5) if key in differences else "–")
        cells += (f"{found['families'][name][key]['mean']:,.0f}" for key in ("networks", "parameters"))
        lines.append(f"| {mark}{label(name)}{mark} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _difference(of: dict[str, float], decimals: int) -> str:
    return f"{of['mean']:+.{decimals}f} ± {of['ci95']:.{decimals}f}".replace("-", "−")


def pruning() -> str:
    """What weights with a low signal-to-noise ratio are worth as a Markdown table."""
    found = json.loads((ROOT / "studies/bnn_families/pruning.json").read_text())
    rows = [("error %", "error_percent", 2), ("NLL", "nll", 4)]
    lines = ["| set to zero | " + " | ".join(f"{100 * float(share):g}%" for share in found) + " |"]
    lines.append("|---" * (len(found) + 1) + "|")
    for title, key, decimals in rows:
        lines.append(f"| {title} | " + " | ".join(f"{of[key]:.{decimals}f}" for of in found.values()) + " |")
    return "\n".join(lines)


def tuning() -> str:
    """The trials by which each family was tuned as a Markdown table, from metrics/bnn_tuning.json."""
    if not (found := _study("bnn_tuning")):
        return NOT_RUN
    study = yaml.safe_load((ROOT / "studies/bnn_tuning/study.yaml").read_text())
    lines = ["| family | settings | error % | NLL | ECE | temperature |", "|---" * 6 + "|"]
    for family, of in found["families"].items():
        for name, trial in of["trials"].items():
            mark = "**" if name == of["chosen"] else ""
            cells = (f"{trial[key]:.{decimals}f}" for key, decimals in TRIAL)
            settings = _settings(study["runs"][name]["bnn"])
            lines.append(f"| {mark}{_tuned(family)}{mark} | {settings} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _tuned(family: str) -> str:
    name = family.removeprefix("reverse_")
    return label(name) + (", on Fashion-MNIST" if name != family else "")


def _settings(changes: dict) -> str:
    flat = {key: value for key, value in changes.items() if key not in UNSAID}
    flat |= {f"prior.{key}": value for key, value in changes.get("prior", {}).items()}
    return ", ".join(f"`{key}: {value}`" for key, value in flat.items())


def reference() -> str:
    """How far each family is from the sampled posterior as a Markdown table, from metrics/bnn_reference.json."""
    if not (found := _study("bnn_reference")):
        return NOT_RUN
    problems = found["problems"]
    keys = ("agreement %", "total variation", "NLL (minus that of the chains)")
    titles = [f"{key}, {PROBLEMS[name]}" for name in problems for key in keys]
    lines = ["| | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    chains = [
        f"{100 * of['half_agreement']:.2f} | {of['half_total_variation']:.4f} | {of['nll']:.4f}"
        for of in (problem["reference"] for problem in problems.values())
    ]
    lines.append("| *chains: half against half* | " + " | ".join(chains) + " |")
    for family in next(iter(problems.values()))["families"]:
        cells = [
            f"{100 * of['agreement']:.2f} | {of['total_variation']:.4f} | {of['nll']:.4f} ({_minus_chains(of)})"
            for of in (problem["families"][family] for problem in problems.values())
        ]
        lines.append(f"| {label(family)} | " + " | ".join(cells) + " |")
    converged = (
        f"{of['r_hat_max']:.3f}, {of['ess_min']:,.0f} and {of['divergences']} ({PROBLEMS[name]})"
        for name, of in ((name, problem["reference"]) for name, problem in problems.items())
    )
    lines += ["", "The largest R-hat and the fewest effective draws over test digits, and divergences: "]
    lines[-1] += "; ".join(converged) + "."
    return "\n".join(lines)


def _minus_chains(of: dict[str, float]) -> str:
    return _difference({"mean": of["nll_minus_reference"], "ci95": of["nll_minus_reference_ci95"]}, 4)


LIKELIHOODS = [  # key in metrics/vae_likelihood.json, what to call it, decimals
    ("iwae_5000", "−IWAE, 5,000 samples", 2),
    ("iwae_500", "−IWAE, 500 samples", 2),
    ("elbo", "−ELBO", 2),
    ("rate", "rate", 2),
    ("active_units", "active units", 0),
    ("parameters", "parameters", 0),
]


def more_data() -> str:
    """Mutual information against the number of training digits, from metrics/bnn_more_data.json."""
    if not (found := _study("bnn_more_data")):
        return NOT_RUN
    numbers = list(next(iter(found["families"].values())))
    header = " | ".join(f"{int(number):,} digits" for number in numbers)
    lines = [f"| | {header} |", "|---" * (len(numbers) + 1) + "|"]
    shown = {
        "mutual_information": "mutual information, nats",
        "mutual_information_share": "its share of the entropy",
    }
    for key, text in shown.items():
        for family, of in found["families"].items():
            cells = (_plus_minus(of[number][key], 4) for number in numbers)
            lines.append(f"| {label(family)}: {text} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def likelihoods() -> str:
    """Bounds on the likelihood under several VAEs, from metrics/vae_likelihood.json; the chosen one is bold."""
    if not (found := _study("vae_likelihood")):
        return NOT_RUN
    names = ["validation, −IWAE, 500 samples", *(text for _, text, _ in LIKELIHOODS), "training, s"]
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, metrics in found["rows"].items():
        cells = [f"{found['validation'][name]:.2f}"]
        for key, _, decimals in LIKELIHOODS:
            entry = metrics[key]
            interval = f" ± {entry['ci95_seeds']:.{decimals}f}" if entry["ci95_seeds"] and decimals else ""
            cells.append(f"{entry['mean']:,.{decimals}f}{interval}")
        seconds = costs.mean_seconds(f"studies/vae_likelihood/runs/{name}/posteriors/vae/*")
        cells.append("–" if seconds is None else f"{seconds:,.0f}")
        mark = "**" if name == found["chosen"] else ""
        lines.append(f"| {mark}{name}{mark} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


LABELS = [  # key in metrics/ssvae_labels.json, what to call it, decimals
    ("error_percent", "error %", 2),
    ("nll", "NLL", 3),
    ("brier", "Brier", 4),
    ("ece", "ECE", 3),
    ("nll_temperature", "NLL, with temperature", 3),
    ("ece_temperature", "ECE, with temperature", 3),
]


DRAWN = [  # key in metrics/ssvae_labels.json, what to call it, decimals
    ("conditional_accuracy_lenet_percent", "read by a LeNet, %", 1),
    ("conditional_accuracy_lenet_means_percent", "the same in probabilities, %", 1),
    ("conditional_accuracy_percent", "read by the nearest images, %", 1),
    ("train_on_drawn_accuracy_percent", "accuracy of a LeNet trained on them, %", 1),
    ("train_on_real_accuracy_percent", "on real ones, %", 1),
    ("spread_percent", "spread, %", 1),
    ("nearest_distance", "nearest distance", 2),
    ("nearest_distance_real", "of real digits", 2),
]


def labels() -> str:
    """Every model of the study of labels, by their number, from metrics/ssvae_labels.json."""
    return _by_labels("models", LABELS, _plus_minus)


def label_pairs() -> str:
    """Paired differences between models of the study of labels, from metrics/ssvae_labels.json."""

    def cell(entry: dict, decimals: int) -> str:
        return f"{_plus_minus(entry, decimals)}, ± {entry['ci95_test']:.{decimals}f}"

    return _by_labels("paired", LABELS, cell)


def label_drawn() -> str:
    """What judges say of the digits that models of the study of labels draw, from metrics/ssvae_labels.json."""

    def cell(entry: dict, decimals: int) -> str:
        return f"{entry['mean']:.{decimals}f} ± {entry['ci95_test'] or 0:.{decimals}f}"

    return _by_labels("models", DRAWN, cell)


def _by_labels(part: str, columns: list[tuple[str, str, int]], cell: Callable[[dict, int], str]) -> str:
    """A row for each model or pair and number of labels that has all columns."""
    if not (found := _study("ssvae_labels")):
        return NOT_RUN
    header = " | ".join(text for _, text, _ in columns)
    lines = [f"| | labels | {header} |", "|---" * (len(columns) + 2) + "|"]
    for models, by_labels in found[part].items():
        name = " − ".join(f"`{model}`" for model in models.split(" - "))
        for count, metrics in sorted(by_labels.items(), key=lambda item: int(item[0])):
            if all(key in metrics for key, *_ in columns):
                cells = [cell(metrics[key], decimals) for key, _, decimals in columns]
                lines.append(f"| {name} | {int(count):,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _study(name: str) -> dict | None:
    path = ROOT / f"metrics/{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _plus_minus(entry: dict, decimals: int) -> str:
    interval = "" if entry["ci95_seeds"] is None else f" ± {entry['ci95_seeds']:.{decimals}f}"
    return f"{entry['mean']:.{decimals}f}{interval}".replace("-", "−")


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
    for name, text in SCORE_NAMES.items():
        if any(name in scores for scores in columns.values()):
            cells = (f"{scores[name]['auroc']:.4f}" if name in scores else "–" for scores in columns.values())
            mark = "**" if name == headline else ""
            lines.append(f"| {mark}{text}{mark} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
