"""Score test images of the learned kind and others, with one of the models.

The scores are those of the pipeline (stages/surrogates.py, stages/ood.py); densities are fitted to training images
of the model. Writes studies/vae_ood/runs/<model>/predictions/<images>.safetensors, the scores of each image, and
from them studies/vae_ood/metrics/<model>.json.
"""

import argparse
import os
from pathlib import Path

import yaml

from stages import artifacts, command
from studies import run
from studies.vae_ood import STUDY

FOLDER = run.ROOT / "studies" / STUDY


def main() -> None:
    """Score, and measure how well each score tells the images apart."""
    parser = argparse.ArgumentParser(prog="python -m studies.vae_ood.score", description=__doc__)
    study = yaml.safe_load((FOLDER / "study.yaml").read_text())
    parser.add_argument("--model", choices=study["pairs"], required=True)
    args = parser.parse_args()
    pair, seed = study["pairs"][args.model], study["seeds"][0]
    os.chdir(run.prepare(STUDY, args.model))
    settings = command.settings_of("params.yaml")
    os.chdir((run.ROOT / pair["posterior"]).parents[2])  # the folder in which it was trained

    from stages import ood_data, runtime
    from stages.evaluation import ood
    from stages.evaluation import vae as evaluation
    from stages.predictive import vae as predictive

    learned = evaluation.in_distribution(settings)
    if learned != pair["learned"]:
        raise command.Failure(
            f"{args.model}: the VAE of params.yaml learns {learned}, but study.yaml says {pair['learned']}"
        )
    device = runtime.prepare(settings, seed)
    trained = predictive.trained(settings, seed, device)
    scored = evaluation.ood_scorer(settings, predictive.reference(settings, trained))
    scores = {}
    for name in (learned, *pair["others"]):
        images = ood_data.load(name, settings.evaluate.split, settings, learned)
        scores[name] = scored(predictive.ood_cases(settings, trained, images))
    artifacts.write_groups(FOLDER / "runs" / args.model / "predictions", scores)
    metrics = ood.metrics(scores, in_distribution=learned)
    artifacts.write_json(Path(FOLDER, "metrics", f"{args.model}.json"), metrics)


if __name__ == "__main__":
    command.run(main)
