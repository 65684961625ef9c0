"""Prior predictive check of a Bayesian neural network: predictions before it has seen any data.

Writes predictions/prior/<model>/: `networks`, drawn from the prior, and the same for each of prior_check.others,
by its name. Computed from them alone, metrics/prior/<model>.json has the metrics of the first, and those of the
others under `others`.
"""

from importlib import import_module

from stages import command


def main() -> None:
    """Draw networks from the prior, predict and compute the metrics."""
    call = command.opened(__doc__, models=("bnn",))
    settings, name = call.settings, f"prior/{call.model}"

    from stages import artifacts, datasets, runtime
    from stages.evaluation import prior

    predictive = import_module(f"stages.predictive.{call.model}")
    evaluation = import_module(f"stages.evaluation.{call.model}")
    device = runtime.prepare(settings, seed=0)
    held_out = datasets.load(evaluation.in_distribution(settings), settings.evaluate.split, settings.images)
    pixels = held_out.pixels[: settings.prior_check.images].to(device)
    predictions = predictive.predict_from_prior(settings, pixels, settings.prior_check.networks)

    artifacts.write_groups(f"predictions/{name}", predictions)
    metrics = {of: prior.metrics(arrays["probabilities"]) for of, arrays in predictions.items()}
    artifacts.write_json(f"metrics/{name}.json", metrics.pop("networks") | {"others": metrics})


if __name__ == "__main__":
    command.run(main)
