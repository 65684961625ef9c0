"""Compute every metric from predictions/ in plain NumPy, sharing no code with stages/evaluation."""

import math
import statistics
from pathlib import Path

import numpy as np
import safetensors.numpy
from scipy import stats


def flat(tree: dict, prefix: str = "") -> dict[str, float]:
    """Nested metrics with dotted keys."""
    rows = {}
    for key, value in tree.items():
        rows |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return rows


def metrics(name: str, folder: Path) -> dict[str, float]:
    """All metrics of seed 0 in metrics/<name>/, from predictions/."""
    return KNOWN[name](folder)


def _read(folder: Path) -> dict[str, dict]:
    return {path.stem: safetensors.numpy.load_file(path) for path in folder.glob("*.safetensors")}


def _blr(predictions: dict) -> dict[str, float]:
    draws, exact, cases = predictions["posterior"], predictions["exact"], predictions["cases"]
    sds = [math.sqrt(exact["rate"] / (exact["shape"] - 1) * exact["covariance"][i, i]) for i in range(2)]
    names = ("intercept", "slope")
    means = [abs(draws[n].sum() / draws[n].size - exact["mean"][i]) / sds[i] for i, n in enumerate(names)]
    ratios = [abs(math.sqrt(((draws[n] - draws[n].mean()) ** 2).mean()) / sds[i] - 1) for i, n in enumerate(names)]
    within = [0.05 <= c <= 0.95 for c in cases["cdf"]]
    rows = {
        "posterior_mean_error": max(means),
        "posterior_sd_error": max(ratios),
        "coverage_90": sum(within) / len(within),
        "nll": sum(cases["nll"]) / len(cases["nll"]),
        "rmse": math.sqrt(sum((cases["y"] - cases["mean"]) ** 2) / len(cases["y"])),
    }
    for n in (*names, "noise"):
        rows[f"{n}_mean"] = sum(draws[n]) / draws[n].size
        rows[f"{n}_sd"] = math.sqrt(((draws[n] - rows[f"{n}_mean"]) ** 2).mean())
    return rows | _p_values(predictions["checks"])


def _p_values(checks: dict) -> dict[str, float]:
    x = checks["x"]
    design = np.column_stack([np.ones_like(x), x, x**2])

    def moments(r, k):
        return ((r - r.mean(axis=1)[:, None]) ** k).mean(axis=1)

    quantities = {
        "skewness": lambda r: moments(r, 3) / moments(r, 2) ** 1.5,
        "kurtosis": lambda r: moments(r, 4) / moments(r, 2) ** 2,
        "curvature": lambda r: np.linalg.lstsq(design, r.T)[0][2],
        "largest_residual": lambda r: abs(r).max(axis=1),
    }
    observed, replicated = (checks[name].astype(float) for name in ("observed", "replicated"))
    return {f"p_{name}": (of(replicated) >= of(observed)).mean() for name, of in quantities.items()}


def _bnn(predictions: dict) -> dict[str, float]:
    cases = predictions["cases"]
    p, labels = cases["probabilities"].astype(float), cases["labels"]
    p = p / p.sum(axis=1)[:, None]
    n = len(labels)
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    one_hot = np.eye(p.shape[1])[labels]
    risks = _risks(confidence, right)
    order = confidence.argsort(kind="stable")
    adaptive = sum(
        len(part) / n * abs(confidence[part].mean() - right[part].mean()) for part in np.array_split(order, 15)
    )
    allowed = [k + 1 for k in range(n) if risks[k] <= 1e-3]
    return {
        "error_percent": 100 * (~right).sum() / n,
        "nll": -sum(math.log(p[i, labels[i]]) for i in range(n)) / n,
        "brier": ((p - one_hot) ** 2).sum() / n,
        "ece": ece(cases),
        "adaptive_ece": adaptive,
        "aurc": sum(risks) / n,
        "coverage_at_risk_1e3": max(allowed, default=0) / n,
        "predictive_entropy": _entropy(p).mean(),
    }


def _tempered(predictions: dict) -> dict[str, float]:
    """`_bnn`, and what a temperature of each case's own changes."""
    cases = predictions["cases"]
    scaled = cases["probabilities"].astype(float) ** (1 / cases["temperature"].astype(float)[:, None])
    tempered = _bnn({"cases": cases | {"probabilities": scaled}})
    return (
        _bnn(predictions)
        | {f"{key}_temperature": tempered[key] for key in ("nll", "brier", "ece")}
        | {"temperature": math.fsum(cases["temperature"]) / len(scaled)}
    )


def ece(cases: dict) -> float:
    """Expected calibration error in 15 bins of equal width, one case at a time."""
    p = cases["probabilities"].astype(float)
    p = p / p.sum(axis=1)[:, None]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, label in zip(p, cases["labels"], strict=True):
        bins.setdefault(min(int(row.max() * 15), 14), []).append((row.max(), row.argmax() == label))
    gaps = (abs(sum(c for c, _ in rows) - sum(r for _, r in rows)) for rows in bins.values())
    return sum(gaps) / len(p)


def _vae(predictions: dict) -> dict[str, float]:
    cases = predictions["cases"]
    rate, distortion, iwae = (math.fsum(cases[k]) / len(cases[k]) for k in ("rate", "distortion", "iwae"))
    spread = ((cases["latent_mean"] - cases["latent_mean"].mean(axis=0)) ** 2).mean(axis=0)
    return {
        "elbo": rate + distortion,
        "iwae": -iwae,
        "iwae_samples": set(cases["iwae_samples"]).pop(),
        "active_units": sum(spread > 0.01),
        "rate": rate,
        "distortion": distortion,
    }


def _ssvae(predictions: dict) -> dict[str, float]:
    cases = predictions["cases"]
    labels = cases["labels"]
    rows = {"labels": set(cases["kept_labels"]).pop(), "elbo": -math.fsum(cases["elbo"]) / len(labels)}
    for prefix in ("", "labels_only_"):
        p = cases[f"{prefix}probabilities"].astype(float)
        temperature = float(cases[f"{prefix}temperature"][0])
        powers = np.maximum(p, 1e-12) ** (1 / temperature)
        for suffix, q in (("", p), ("_temperature", powers / powers.sum(axis=1, keepdims=True))):
            plain = _bnn({"cases": {"labels": labels, "probabilities": q}})
            names = ("nll", "brier", "ece") if suffix else ("error_percent", "nll", "brier", "ece")
            rows |= {f"{prefix}{name}{suffix}": plain[name] for name in names}
        rows[f"{prefix}temperature"] = temperature
    for name in ("error_percent", "nll", "brier", "ece", "nll_temperature", "ece_temperature"):
        rows[f"{name}_minus_labels_only"] = rows[name] - rows[f"labels_only_{name}"]
    joint = cases["log_joint"].astype(float)
    highest = joint.max(axis=1, keepdims=True)
    total = np.exp(joint - highest).sum(axis=1, keepdims=True)
    answers = {"generative": np.exp(joint - highest) / total, "one_draw": cases["one_draw_probabilities"]}
    for answer, p in answers.items():
        found = _bnn({"cases": {"labels": labels, "probabilities": p}})
        rows |= {f"{answer}_{name}": found[name] for name in ("error_percent", "nll", "ece")}
    for name in ("error_percent", "nll"):
        rows[f"generative_{name}_minus_one_draw"] = rows[f"generative_{name}"] - rows[f"one_draw_{name}"]
    rows["iwae"] = -math.fsum((highest + np.log(total))[:, 0]) / len(labels)
    return rows | _digits(predictions) | _half_digits(predictions["halves"])


def _digits(predictions: dict) -> dict[str, float]:
    drawn, real, variety = (predictions[name] for name in ("drawn", "real", "real_variety"))

    def percent(right) -> float:
        return 100 * sum(right) / len(right)

    def of_classes(group, name) -> float:
        classes = [group[name][group["labels"] == label].tolist() for label in set(group["labels"])]
        return math.fsum(math.fsum(values) / len(values) for values in classes) / len(classes)

    spread = [of_classes(group, "deviation") for group in (drawn, variety)]
    return {
        "conditional_accuracy_percent": percent(drawn["neighbours"] == drawn["labels"]),
        "conditional_accuracy_lenet_percent": percent(drawn["lenet"] == drawn["labels"]),
        "conditional_accuracy_lenet_means_percent": percent(drawn["lenet_means"] == drawn["labels"]),
        "judge_error_percent": percent(real["lenet"] != real["labels"]),
        "train_on_drawn_accuracy_percent": percent(real["student"] == real["labels"]),
        "train_on_real_accuracy_percent": percent(real["student_of_real"] == real["labels"]),
        "spread_percent": 100 * spread[0] / spread[1],
        "nearest_distance": of_classes(drawn, "distance"),
        "nearest_distance_real": of_classes(variety, "distance"),
    }


def _half_digits(halves: dict) -> dict[str, float]:
    read = _bnn({"cases": halves})
    neighbours = _bnn({"cases": halves | {"probabilities": halves["neighbours_probabilities"]}})
    model, baseline = (-math.fsum(halves[name]) / len(halves[name]) for name in ("hidden", "neighbours"))
    return {
        "half_error_percent": read["error_percent"],
        "half_nll": read["nll"],
        "half_neighbours_error_percent": neighbours["error_percent"],
        "half_neighbours_nll": neighbours["nll"],
        "half_effective_samples": statistics.median(halves["effective_samples"].tolist()),
        "hidden_half_nll": model,
        "hidden_half_neighbours_nll": baseline,
        "hidden_half_minus_neighbours": model - baseline,
    }


def _ood(scores: dict, in_distribution: str) -> dict[str, float]:
    rows = {}
    for name in scores.keys() - {in_distribution}:
        for score, others in scores[name].items():
            own = scores[in_distribution][score]
            own, others = own[own == own], others[others == others]  # without NaN
            pairs = np.sign(others[:, None] - own[None, :])
            # the largest threshold that flags at least 95% of the out-of-distribution cases
            threshold = np.sort(others)[::-1][math.ceil(0.95 * len(others)) - 1]
            rows[f"{name}.{score}.auroc"] = (pairs.mean() + 1) / 2
            rows[f"{name}.{score}.aupr"] = _average_precision(own, others)
            rows[f"{name}.{score}.fpr95"] = (own >= threshold).mean()
    return rows


def _shift(predictions: dict) -> dict[str, float]:
    rows = {}
    for name, shifted in predictions.items():
        for level, p in zip(shifted["levels"], shifted["probabilities"], strict=True):
            whole = _bnn({"cases": {"probabilities": p, "labels": shifted["labels"]}})
            kept = ("error_percent", "nll", "ece", "predictive_entropy")
            rows |= {f"{name}.{level:g}.{key}": whole[key] for key in kept}
    return rows


def _samples(predictions: dict) -> dict[str, float]:
    digits, others = predictions["mnist"], predictions["shuffled_blocks"]
    rows = {}
    for place, count in enumerate(digits["counts"]):
        whole = _bnn({"cases": {"probabilities": digits["probabilities"][place], "labels": digits["labels"]}})
        of_both = (of["probabilities"][place].astype(float) for of in (digits, others))
        own, other = (_entropy(p / p.sum(axis=1)[:, None]) for p in of_both)
        area = (np.sign(other[:, None] - own[None, :]).mean() + 1) / 2
        rows |= {f"{count}.nll": whole["nll"], f"{count}.ece": whole["ece"], f"{count}.auroc": area}
    return rows


def _referral(predictions: dict, scores: dict, forms: dict) -> dict[str, float]:
    """With the committed risk of 0.005 and confidence of 0.95, and no threshold where none keeps that promise."""

    def entropies_and_errors(cases: dict) -> tuple[np.ndarray, np.ndarray]:
        p = cases["probabilities"].astype(float)
        return _entropy(p / p.sum(axis=1)[:, None]), p.argmax(axis=1) != cases["labels"]

    validation = {name: values[1::2] for name, values in predictions["validation"].items()}
    unsure, wrong = entropies_and_errors(validation)
    ranked, threshold, low, high = sorted(unsure), -1.0, 0, len(unsure) - 1
    rounds = math.ceil(math.log2(len(unsure)))
    for _ in range(rounds):
        middle = (low + high + 1) // 2
        answered = unsure <= ranked[middle]
        bound = stats.beta.ppf(1 - 0.05 / rounds, wrong[answered].sum() + 1, (answered & ~wrong).sum())
        if bound <= 0.005:
            threshold, low = ranked[middle], middle
        else:
            high = max(middle - 1, 0)
    rows = {"threshold_nats": threshold}
    other_forms = {name: forms[name] | {"probabilities": forms[name]["probabilities"][0]} for name in OTHER_FORMS}
    for name, cases in ({"validation": validation, "mnist": predictions["cases"]} | other_forms).items():
        unsure, wrong = entropies_and_errors(cases)
        rows |= _percent(f"{name}.referred_percent", unsure > threshold)
        rows |= _percent(f"{name}.error_percent", wrong[unsure <= threshold])
    for name in scores.keys() - {"mnist"}:
        rows |= _percent(f"{name}.referred_percent", scores[name]["entropy"] > threshold)
    return rows


OTHER_FORMS = ("inverted_mnist", "sklearn_digits")


def _percent(name: str, which: np.ndarray) -> dict[str, float]:
    k, n = int(which.sum()), len(which)
    if n == 0:
        return {name: 0.0, f"{name}_low": 0.0, f"{name}_high": 100.0}
    low = 0.0 if k == 0 else stats.beta.ppf(0.025, k, n - k + 1)
    high = 1.0 if k == n else stats.beta.ppf(0.975, k + 1, n - k)
    return {name: 100 * k / n, f"{name}_low": 100 * low, f"{name}_high": 100 * high}


def _average_precision(own: np.ndarray, others: np.ndarray) -> float:
    total, recall = 0.0, 0.0
    for threshold in sorted({*own, *others}, reverse=True):
        hits, alarms = (others >= threshold).sum(), (own >= threshold).sum()
        total += (hits / len(others) - recall) * hits / (hits + alarms)
        recall = hits / len(others)
    return total


def _risks(confidence: np.ndarray, right: np.ndarray) -> list[float]:
    """Expected error among the k most confident cases, with ties in random order."""
    risks, errors, answered = [], 0.0, 0
    for value in sorted(set(confidence), reverse=True):
        group = right[confidence == value]
        for k in range(1, len(group) + 1):
            risks.append((errors + k * (~group).mean()) / (answered + k))
        errors, answered = errors + (~group).sum(), answered + len(group)
    return risks


def _entropy(p: np.ndarray) -> np.ndarray:
    return -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(axis=1)


KNOWN = {
    "blr": lambda folder: _blr(_read(folder / "blr/0")),
    "bnn": lambda folder: _tempered(_read(folder / "bnn/0")),
    "vae": lambda folder: _vae(_read(folder / "vae/0")),
    "ssvae": lambda folder: _ssvae(_read(folder / "ssvae/0")),
    "ood/bnn": lambda folder: _ood(_read(folder / "ood/bnn/0"), "mnist"),
    "ood/vae": lambda folder: _ood(_read(folder / "ood/vae/0"), "fashion_mnist"),
    "shift/bnn": lambda folder: _shift(_read(folder / "shift/bnn/0")),
    "samples/bnn": lambda folder: _samples(_read(folder / "samples/bnn/0")),
    "referral/bnn": lambda folder: _referral(
        *(_read(folder / name) for name in ("bnn/0", "ood/bnn/0", "shift/bnn/0"))
    ),
}
