"""Measure one model's uncertainty on out-of-distribution data, for one seed.

Writes predictions/ood/<model>/<seed>/<data set>.safetensors, the scores of each image. From these alone it
computes metrics/ood/<model>/<seed>.json and the intervals, metrics/intervals/ood/<model>/<seed>.json. Images for
figures are beside them, in pictures/: those that the VAE finds strangest among images like its training data, and
the network's surest answers among images unlike them.
"""

from functools import partial
from importlib import import_module

from stages import command


def main() -> None:
    """Score in-distribution and out-of-distribution data, and measure how well each score separates them."""
    call = command.opened(__doc__, models=("bnn", "vae"), seed=True)
    settings, name = call.settings, f"ood/{call.model}/{call.seed}"

    from stages import artifacts, ood_data, runtime
    from stages.evaluation import intervals, ood

    predictive = import_module(f"stages.predictive.{call.model}")
    evaluation = import_module(f"stages.evaluation.{call.model}")
    device = runtime.prepare(settings, call.seed)
    posterior = predictive.trained(settings, call.seed, device)
    reference = artifacts.read_groups(f"predictions/surrogates/{call.model}/{call.seed}").get("reference", {})
    scored = evaluation.ood_scorer(settings, reference)
    in_distribution, scores = evaluation.in_distribution(settings), {}
    for data_set in (in_distribution, *evaluation.out_of_distribution(settings)):
        images = ood_data.load(data_set, settings.evaluate.split, settings, in_distribution)
        if call.model == "bnn" and data_set == in_distribution:  # predicted already, which takes a minute
            cases = artifacts.read_arrays(f"predictions/bnn/{call.seed}/cases.safetensors")
            cases |= predictive.features_of(settings, posterior, images)
        else:
            cases = predictive.ood_cases(settings, posterior, images)
        scores[data_set] = scored(cases)
        if call.model == "bnn" and data_set == settings.ood.bnn:
            artifacts.write_groups(f"predictions/{name}/pictures", predictive.answered(cases, images))
        if call.model == "vae" and data_set == in_distribution:
            strangest = ood.largest(scores[data_set][settings.ood.headline], images.pixels.numpy())
            artifacts.write_arrays(f"predictions/{name}/pictures/strangest.safetensors", strangest)

    artifacts.write_groups(f"predictions/{name}", scores)
    metrics = partial(ood.metrics, in_distribution=in_distribution)
    artifacts.write_json(f"metrics/{name}.json", metrics(scores))
    half_widths = intervals.bootstrap(metrics, scores, set(scores), settings.evaluate.bootstrap)
    artifacts.write_json(f"metrics/intervals/{name}.json", half_widths)


if __name__ == "__main__":
    command.run(main)
