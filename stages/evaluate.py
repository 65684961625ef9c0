"""Evaluate one model's posterior predictive for one seed.

Writes predictions/<model>/<seed>/*.safetensors. From these files alone it computes metrics/<model>/<seed>.json and
the intervals over test cases, metrics/intervals/<model>/<seed>.json.
"""

from importlib import import_module

from stages import command
from stages.params import MODELS


def main() -> None:
    """Load the posterior, predict and compute the metrics."""
    call = command.opened(__doc__, models=MODELS, seed=True)
    settings, name = call.settings, f"{call.model}/{call.seed}"

    from stages import artifacts, runtime
    from stages.evaluation import intervals

    predictive = import_module(f"stages.predictive.{call.model}")
    evaluation = import_module(f"stages.evaluation.{call.model}")
    device = runtime.prepare(settings, call.seed)
    posterior = predictive.trained(settings, call.seed, device)
    predictions = predictive.predict(settings, call.seed, posterior)

    artifacts.write_groups(f"predictions/{name}", predictions)
    artifacts.write_json(f"metrics/{name}.json", evaluation.metrics(predictions))
    half_widths = intervals.bootstrap(
        evaluation.metrics, predictions, evaluation.TEST_CASES, settings.evaluate.bootstrap
    )
    artifacts.write_json(f"metrics/intervals/{name}.json", half_widths)


if __name__ == "__main__":
    command.run(main)
