"""Measure how errors and uncertainty grow as held-out images shift away from the training data, for one seed.

Writes predictions/shift/<model>/<seed>/<shift>.safetensors and, computed from them alone,
metrics/shift/<model>/<seed>.json.
"""

from importlib import import_module

from stages import command


def main() -> None:
    """Shift the images, predict and compute the metrics."""
    call = command.opened(__doc__, models=("bnn",), seed=True)
    settings, name = call.settings, f"shift/{call.model}/{call.seed}"

    import numpy as np

    from stages import artifacts, datasets, ood_data, runtime
    from stages.evaluation import shift

    predictive = import_module(f"stages.predictive.{call.model}")
    evaluation = import_module(f"stages.evaluation.{call.model}")
    device = runtime.prepare(settings, call.seed)
    posterior = predictive.trained(settings, call.seed, device)
    held_out = datasets.load(evaluation.in_distribution(settings), settings.evaluate.split, settings.images)
    pixels, labels = held_out.pixels[: settings.shift.images], held_out.labels[: settings.shift.images]
    predictions = {}
    for shifted, transform in ood_data.SHIFTS.items():
        levels = getattr(settings.shift, shifted)
        images = (datasets.Images(transform(pixels, level), labels) for level in levels)
        cases = [predictive.predict_cases(settings, posterior, of_level) for of_level in images]
        predictions[shifted] = {
            "levels": np.array(levels, dtype=np.float64),
            "probabilities": np.stack([of["probabilities"] for of in cases]),
            "labels": labels.numpy(),
        }

    for form in evaluation.other_forms(settings):
        images = ood_data.labelled(form, settings.evaluate.split, settings)
        cases = predictive.predict_cases(settings, posterior, images)
        predictions[form] = {
            "levels": np.ones(1),
            "probabilities": cases["probabilities"][np.newaxis],
            "labels": cases["labels"],
        }

    artifacts.write_groups(f"predictions/{name}", predictions)
    artifacts.write_json(f"metrics/{name}.json", shift.metrics(predictions))


if __name__ == "__main__":
    command.run(main)
