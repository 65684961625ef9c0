"""Figures of Bayesian linear regression: what was learned against truth and against the exact posterior."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from scipy import stats

from stages.artifacts import Groups, write_csv
from stages.evaluation.blr import COEFFICIENTS
from stages.evaluation.criticism import TEST_QUANTITIES, p_values, quantities
from stages.evaluation.sbc import histogram
from stages.figures.style import BLUE, GREY, ORANGE, elbo_curve, figure

if TYPE_CHECKING:
    from stages.models import blr
    from stages.settings import Calibration, Regression, Settings

PREDICTIONS = {
    "evaluate": "blr/{seed}",
    "calibrate": "calibration/blr",
    "criticize": "criticism/blr",
}  # by the command that wrote them


def draw(settings: Settings, predictions: dict[str, Groups], history: pd.DataFrame, folder: Path) -> None:
    """Draw all figures of the model into `folder`."""
    evaluated = predictions["evaluate"]
    draws, exact = evaluated["posterior"], evaluated.get("exact")  # none with Student's t noise
    elbo_curve(folder, history, "expected log likelihood (nats)")
    posterior(folder / "posterior.png", draws, exact, settings.regression)
    correlation(folder / "correlation.png", draws, exact, settings.blr.guide)
    predictive(folder / "predictive.png", draws, evaluated["training"], settings)
    rank_histograms(folder / "sbc.png", predictions["calibrate"], settings.calibration, settings.blr)
    criticism(folder / "criticism.png", predictions["criticize"], settings)
    quantiles = np.linspace(0.005, 0.995, 199)
    write_csv(
        folder / "posterior.csv",
        pd.DataFrame({"quantile": quantiles, **{name: np.quantile(v, quantiles) for name, v in draws.items()}}),
    )


def posterior(path: Path, draws: dict, exact: dict | None, truth: Regression) -> None:
    """Histograms of the draws, the exact density over them where it is known, the truth as a line."""
    densities = exact_densities(exact) if exact else {}
    with figure(path, columns=len(draws), size=(3.6, 3.2)) as axes:
        for axis, name in zip(axes, draws, strict=True):
            grid = np.linspace(*np.quantile(draws[name], [0.0005, 0.9995]), 300)
            axis.hist(
                draws[name], 80, range=(grid[0], grid[-1]), density=True, color=BLUE, alpha=0.45, label="SVI"
            )
            if name in densities:
                axis.plot(grid, densities[name](grid), color="black", label="exact")
            if hasattr(truth, name):
                axis.axvline(getattr(truth, name), color=ORANGE, label="truth")
            mean, sd = draws[name].mean(), draws[name].std()
            axis.set(title=f"{name.replace('_', ' ')}: {mean:.3f} ± {sd:.3f}", yticks=[], xlabel=name)
        axes[0].legend(fontsize=9)


def exact_densities(exact: dict) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """The density of each coefficient, a Student t, and of the noise sd."""
    densities = {}
    for i, name in enumerate(COEFFICIENTS[: len(exact["mean"])]):
        scale = np.sqrt(exact["rate"] / exact["shape"] * exact["covariance"][i, i])
        densities[name] = stats.t(2 * exact["shape"], exact["mean"][i], scale).pdf
    variance = stats.invgamma(exact["shape"], scale=exact["rate"])
    densities["noise"] = lambda sd: variance.pdf(sd**2) * 2 * sd  # change of variables from the variance
    return densities


def rank_histograms(path: Path, ranks: Groups, calibration: Calibration, trained: blr.Params) -> None:
    """Ranks of the truth among posterior draws, a row per guide; grey where bins of uniform ranks would be.

    What differs from the model that was trained is said below.
    """
    expected = calibration.data_sets / calibration.bins
    low, high = stats.binom.interval(0.99, calibration.data_sets, 1 / calibration.bins)
    edges = np.linspace(0, calibration.draws + 1, calibration.bins + 1)
    sites = list(next(iter(ranks.values())))
    with figure(path, columns=len(sites), rows=len(ranks), size=(3.6, 2.6), sharey="row") as axes:
        for row, (guide, of_sites) in zip(axes, ranks.items(), strict=True):
            for axis, site in zip(row, sites, strict=True):
                counts = histogram(of_sites[site], calibration.draws, calibration.bins)
                axis.axhspan(low, high, color=GREY, alpha=0.25, lw=0, label="99% of bins, if uniform")
                axis.axhline(expected, color=GREY, lw=1)
                axis.stairs(counts, edges, fill=True, color=BLUE, alpha=0.6)
                axis.set(title=f"{site.replace('_', ' ')}, {guide.replace('_', ' ')}")
                axis.set_xlabel(f"rank of the truth among {calibration.draws} draws", fontsize=9)
        axes[0][0].legend(fontsize=8, loc="lower center", frameon=True, framealpha=0.9)
        axes[0][0].figure.supxlabel(difference(calibration, trained), fontsize=8)


def difference(calibration: Calibration, trained: blr.Params) -> str:
    """How the fits of the simulated data sets differ from the trained model, and why; empty if they do not.

    A guide starts at zero. Coefficients drawn from a wide prior are far from there, and not all of many data sets
    get back within the steps.
    """
    pairs = [
        ("prior sd of the coefficients, in noise sds", calibration.coefficient_sd, trained.coefficient_sd),
        ("posterior samples a step", calibration.particles, trained.particles),
        ("steps", calibration.steps, trained.steps),
    ]
    found = [f"{name}: {here:g} ({there:g})" for name, here, there in pairs if here != there]
    reason = f"\nfrom a start at zero {calibration.steps:,} steps do not reach coefficients of a wide prior"
    return f"Here (in the trained model): {'; '.join(found)};{reason}" if found else ""


def correlation(path: Path, draws: dict, exact: dict | None, guide: str) -> None:
    """Joint posterior of intercept and slope: the tilt that a mean-field guide cannot have."""
    with figure(path, size=(4.6, 3.8)) as axis:
        few = slice(0, 1500)
        axis.plot(
            draws["intercept"][few], draws["slope"][few], ".", color=BLUE, ms=3, alpha=0.35, label="SVI draws"
        )
        if exact:
            both = slice(0, 2)  # intercept and slope, the marginal distribution of the two
            values, vectors = np.linalg.eigh(
                exact["covariance"][both, both] * exact["rate"] / (exact["shape"] - 1)
            )
            angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
            for scale, label in ((1, "exact, 1 and 2 sd"), (2, None)):
                axes = 2 * scale * np.sqrt(values)
                outline = Ellipse(
                    exact["mean"][both], axes[1], axes[0], angle=angle, fill=False, lw=1.5, label=label
                )
                axis.add_patch(outline)
        axis.set(title=f"Posterior, {guide.replace('_', ' ')} guide", xlabel="intercept", ylabel="slope")
        axis.legend(fontsize=9)


def predictive(path: Path, draws: dict, training: dict, settings: Settings) -> None:
    """The data, and bands of the mean and of new points, beyond the range of the data too."""
    truth = settings.regression
    width = truth.x_max - truth.x_min
    x = np.linspace(truth.x_min - 0.3 * width, truth.x_max + 0.3 * width, 120)
    with figure(path, size=(6.0, 3.8)) as axis:
        bands(axis, draws, x, settings.blr.centre)
        axis.plot(training["x"], training["y"], "o", color="black", ms=3, label="data")
        axis.plot(x, truth_at(x, truth), color=ORANGE, lw=1.2, label="truth")
        axis.axvspan(x[0], truth.x_min, color=GREY, alpha=0.08, lw=0)
        axis.axvspan(truth.x_max, x[-1], color=GREY, alpha=0.08, lw=0)
        axis.set(
            title="Posterior predictive, grey where there were no data", xlabel="x", ylabel="y", xlim=(x[0], x[-1])
        )
        axis.legend(fontsize=9)


def bands(axis: Axes, draws: dict, x: np.ndarray, centre: float) -> None:
    """Central 90% intervals of the mean and of new points at each x."""
    few = slice(0, 4000)
    columns = dict(zip(COEFFICIENTS, (np.ones_like(x), x, (x - centre) ** 2), strict=True))
    mean = sum(draws[name][few, None] * column for name, column in columns.items() if name in draws)
    generator = np.random.default_rng(0)
    if "degrees_of_freedom" in draws:
        error = generator.standard_t(draws["degrees_of_freedom"][few, None], mean.shape)
    else:
        error = generator.standard_normal(mean.shape)
    new = mean + draws["noise"][few, None] * error
    new_points, lines = (np.quantile(of, [0.05, 0.95], axis=0) for of in (new, mean))
    axis.fill_between(x, *new_points, color=BLUE, alpha=0.18, label="90% of new points")
    axis.fill_between(x, *lines, color=BLUE, alpha=0.5, label="90% of means")


def truth_at(x: np.ndarray, truth: Regression) -> np.ndarray:
    """The mean of y that the data were simulated with."""
    middle = (truth.x_min + truth.x_max) / 2
    return truth.intercept + truth.slope * x + truth.curvature * (x - middle) ** 2


def criticism(path: Path, predictions: Groups, settings: Settings) -> None:
    """The second toy set under two models, a row each: the predictive, and test quantities."""
    training = predictions["training"]
    x = np.linspace(settings.regression.x_min, settings.regression.x_max, 120)
    columns = 1 + len(TEST_QUANTITIES)
    with figure(path, rows=2, columns=columns, size=(3.2, 2.9)) as axes:
        for name, row in zip(("before", "after"), axes, strict=True):
            model = getattr(settings.criticism, name)
            label = f"{model.mean}, {model.noise.replace('student_t', 'Student t')} noise"
            bands(row[0], predictions[f"{name}_posterior"], x, settings.blr.centre)
            row[0].plot(training["x"], training["y"], "o", color="black", ms=2.5, label="data")
            row[0].set(title=f"{name.capitalize()}: {label}", ylabel="y")
            checks = predictions[f"{name}_checks"]
            values = p_values(checks)
            for axis, (quantity, (observed, replicated)) in zip(row[1:], quantities(checks).items(), strict=True):
                # without the tails of Student t replicates, which would leave everything else in one bin
                ranges = np.quantile([observed, replicated], [0.05, 0.95], axis=1)
                margin = 0.1 * (ranges[1].max() - ranges[0].min())
                edges = np.linspace(ranges[0].min() - margin, ranges[1].max() + margin, 40)
                axis.hist(replicated, edges, color=GREY, alpha=0.6, label="replicated data")
                axis.hist(observed, edges, color=ORANGE, alpha=0.6, label="real data")
                p = values[f"p_{quantity}"]
                axis.set(title=f"{quantity.replace('_', ' ')}: p = {p:.3f}", yticks=[])
        axes[0][0].legend(fontsize=8)
        axes[0][1].legend(fontsize=8)
        for axis, quantity in zip(axes[1], ("x", *TEST_QUANTITIES), strict=True):
            axis.set_xlabel(quantity.replace("_", " "))
