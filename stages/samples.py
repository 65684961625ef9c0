"""Measure how the likelihood and the OOD detection of predictions depend on the number of posterior samples.

The results guide a choice, so they use validation images, with their shuffled blocks as foreign data.

Writes predictions/samples/<model>/<seed>/<data set>.safetensors and, computed from them alone,
metrics/samples/<model>/<seed>.json.
"""

from importlib import import_module

from stages import command

SPLIT, OUT_OF_DISTRIBUTION = "validation", "shuffled_blocks"


def main() -> None:
    """Predict with increasing numbers of networks and compute the metrics."""
    call = command.opened(__doc__, models=("bnn",), seed=True)
    settings, name = call.settings, f"samples/{call.model}/{call.seed}"

    import numpy as np

    from stages import artifacts, ood_data, runtime
    from stages.evaluation import samples
    from stages.predictive import classifier

    predictive = import_module(f"stages.predictive.{call.model}")
    evaluation = import_module(f"stages.evaluation.{call.model}")
    device = runtime.prepare(settings, call.seed)
    posterior = predictive.trained(settings, call.seed, device)
    in_distribution, chosen = evaluation.in_distribution(settings), slice(settings.samples.images)
    predictions = {}
    for data_set in (in_distribution, OUT_OF_DISTRIBUTION):
        images = ood_data.load(data_set, SPLIT, settings)
        pixels = images.pixels[chosen].to(device)
        predictions[data_set] = {
            "counts": np.array(settings.samples.counts),
            "probabilities": classifier.cumulative(*posterior, pixels, settings.samples.counts).cpu().numpy(),
            "labels": images.labels[chosen].numpy(),
        }

    artifacts.write_groups(f"predictions/{name}", predictions)
    metrics = samples.metrics(predictions, in_distribution, OUT_OF_DISTRIBUTION)
    artifacts.write_json(f"metrics/{name}.json", metrics)


if __name__ == "__main__":
    command.run(main)
