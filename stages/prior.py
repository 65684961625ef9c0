"""Prior predictive check of a Bayesian neural network: predictions before it has seen any data.

Writes predictions/prior/<model>/: `networks`, drawn from the prior, and `before`, from that of
prior_check.before. Computed from them alone, metrics/prior/<model>.json has the metrics of the first, and those of
the second under `before`.
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
    after, before = (prior.metrics(predictions[of]["probabilities"]) for of in ("networks", "before"))
    artifacts.write_json(f"metrics/{name}.json", after | {"before": before})


if __name__ == "__main__":
    command.run(main)
