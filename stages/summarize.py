"""Summarize every metric: its mean over the seeds, and its 95% intervals.

Writes metrics/summary.json: {model: {key: {mean, n, ci95_seeds, ci95_test}}}, with intervals as half widths, for
every model in metrics/intervals/. `ci95_seeds` comes from the t distribution over seeds, null for a single seed;
`ci95_test` from a bootstrap over the test cases of the first seed, null for a metric that does not depend on them.
"""

from collections.abc import Sequence
from pathlib import Path

from stages import artifacts, command
from stages.evaluation.intervals import Metrics, mapped, over_seeds


def main() -> None:
    """Read metrics and intervals of all declared seeds, and write the summary."""
    seeds = command.opened(__doc__).settings.seeds
    forget_other_seeds(seeds)
    intervals = Path("metrics/intervals")
    models = sorted({str(path.parent.relative_to(intervals)) for path in intervals.rglob("*.json")})
    artifacts.write_json("metrics/summary.json", {model: summary(model, seeds) for model in models})


def forget_other_seeds(seeds: Sequence[int], root: str | Path = "metrics") -> None:
    """Remove metrics of seeds that params.yaml no longer declares; DVC keeps the outputs of removed stages."""
    declared = {str(seed) for seed in seeds}
    for path in Path(root).rglob("*.json"):
        if path.stem.isdigit() and path.stem not in declared:
            path.unlink()


def summary(model: str, seeds: Sequence[int], root: str | Path = "metrics") -> Metrics:
    """The summary of one model, or of its scores on out-of-distribution data (ood/<model>)."""
    of_seeds = [artifacts.read_json(Path(root, model, f"{seed}.json")) for seed in seeds]
    of_test_cases = artifacts.read_json(Path(root, "intervals", model, f"{seeds[0]}.json"))
    return mapped(lambda entry, half_width: entry | {"ci95_test": half_width}, over_seeds(of_seeds), of_test_cases)


if __name__ == "__main__":
    command.run(main)
