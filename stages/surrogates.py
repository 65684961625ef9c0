"""Measure how well the scores of a model tell made images from held-out ones, for one seed.

The score to report, `ood.headline` or `ood.headline_bnn`, is named by this alone: by the highest mean AUROC over
sets of made images, such as noise, patches of a photograph and shuffled images. No other data set and no test
image is used.

Writes predictions/surrogates/<model>/<seed>/: `reference`, statistics of training images, and the scores of each
set of images. From the scores it computes metrics/surrogates/<model>/<seed>.json, with `mean` over the sets.
"""

from importlib import import_module

from stages import command


def main() -> None:
    """Fit the scores to training images, and apply them to validation images and to surrogates."""
    call = command.opened(__doc__, models=("bnn", "vae"), seed=True)
    settings, name = call.settings, f"surrogates/{call.model}/{call.seed}"

    import numpy as np

    from stages import artifacts, datasets, ood_data, runtime
    from stages.evaluation import ood
    from stages.evaluation.intervals import mapped

    predictive = import_module(f"stages.predictive.{call.model}")
    evaluation = import_module(f"stages.evaluation.{call.model}")
    device = runtime.prepare(settings, call.seed)
    posterior = predictive.trained(settings, call.seed, device)
    reference = predictive.reference(settings, posterior)
    scored, learned = evaluation.ood_scorer(settings, reference), evaluation.in_distribution(settings)
    scores = {}
    for data_set in (learned, *ood_data.SURROGATES[call.model]):
        images = ood_data.load(data_set, "validation", settings, learned)
        some = datasets.Images(images.pixels[: settings.ood.images], images.labels[: settings.ood.images])
        scores[data_set] = scored(predictive.ood_cases(settings, posterior, some))

    artifacts.write_groups(f"predictions/{name}", {"reference": reference} | scores)
    metrics = ood.metrics(scores, in_distribution=learned)
    mean = mapped(lambda *values: float(np.mean(values)), *metrics.values())
    artifacts.write_json(f"metrics/{name}.json", {"mean": mean} | metrics)


if __name__ == "__main__":
    command.run(main)
