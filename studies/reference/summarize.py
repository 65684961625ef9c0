"""The table of the study: how far each family's predictions are from those of the sampled posterior.

Writes metrics/bnn_reference.json: {problems: {name: {reference: {r_hat_max, ess_min, divergences, half_agreement,
half_total_variation, nll, error_percent, steps}, families: {name: {agreement, total_variation, nll, error_percent,
nll_minus_reference, nll_minus_reference_ci95}}}}}. `r_hat_max` and `ess_min` are the worst over test digits, of
the log probability of a digit's class; `half_` compares the first half of the chains with the second, which is the
noise of the reference. The last is the half width of a 95% interval over test digits, of the paired difference.
"""

import argparse

import numpy as np

from stages import artifacts, command
from stages.evaluation import agreement, classification, intervals
from studies import reference
from studies.run import ROOT


def main() -> None:
    """Read the predictions of all chains and families, and write the table."""
    argparse.ArgumentParser(prog="python -m studies.reference.summarize", description=__doc__).parse_args()
    found = reference.study()
    table = {problem: compared(problem, found["chains"], found["families"]) for problem in found["problems"]}
    artifacts.write_json(ROOT / "metrics/bnn_reference.json", {"problems": table})


def compared(problem: str, chains: list[int], families: list[str]) -> dict[str, dict]:
    """The reference and the families on one problem."""
    folders = [reference.predictions(problem, f"chain{chain}") for chain in chains]
    cases = [artifacts.read_arrays(folder / "cases.safetensors") for folder in folders]
    traces = [artifacts.read_arrays(folder / "trace.safetensors") for folder in folders]
    p, labels = np.stack([of["probabilities"] for of in cases]).astype(np.float64), cases[0]["labels"]
    mean, half = p.mean(axis=0), len(chains) // 2
    first, second = p[:half].mean(axis=0), p[half:].mean(axis=0)
    sampled = (
        converged(np.stack([trace["log_probability"] for trace in traces]))
        | {
            "divergences": int(sum(trace["divergent"].sum() for trace in traces)),
            "steps": float(np.mean([trace["steps"].mean() for trace in traces])),
            "half_agreement": agreement.agreement(first, second),
            "half_total_variation": agreement.total_variation(first, second),
        }
        | scores(mean, labels)
    )
    fitted = {}
    for family in families:
        q = artifacts.read_arrays(reference.predictions(problem, family) / "cases.safetensors")["probabilities"]
        difference = losses(q, labels) - losses(mean, labels)
        fitted[family] = scores(q, labels) | {
            "agreement": agreement.agreement(mean, q),
            "total_variation": agreement.total_variation(mean, q),
            "nll_minus_reference": float(difference.mean()),
            "nll_minus_reference_ci95": intervals.t_interval(difference),
        }
    return {"reference": sampled, "families": fitted}


def scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Negative log likelihood, nats, and error, percent."""
    found = classification.scores(probabilities, labels)
    return {key: found[key] for key in ("nll", "error_percent")}


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Negative log likelihood of each digit, nats, (digits,)."""
    p = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.maximum(p, np.finfo(np.float64).eps))


def converged(log_probability: np.ndarray, block: int = 500) -> dict[str, float]:
    """Worst R-hat and smallest effective sample size over test digits.

    Both are of ranks, and for halves of the chains (Vehtari et al. 2021).

    Args:
        log_probability: of a digit's class, (chains, draws, digits).
        block: digits at a time, for memory.

    Raises:
        Failure: if a digit has the same log probability in all draws, so that it has neither.
    """
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 0, "draw_axis": 1}
    r_hat, size = [], []
    for start in range(0, log_probability.shape[2], block):
        part = log_probability[:, :, start : start + block].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):  # no variance within chains
            r_hat.append(array_stats.rhat(part, **axes, method="rank"))
            size.append(array_stats.ess(part, **axes, method="bulk"))
    found = {"r_hat_max": float(np.concatenate(r_hat).max()), "ess_min": float(np.concatenate(size).min())}
    if not all(np.isfinite(value) for value in found.values()):
        raise command.Failure("a test digit has the same log probability in all draws of a chain: draw more")
    return found


if __name__ == "__main__":
    command.run(main)
