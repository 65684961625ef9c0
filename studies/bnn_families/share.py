"""Make a posterior from one that was trained already: a member of an ensemble, or a Laplace approximation.

Writes studies/bnn_families/runs/<run>/posteriors/bnn/<seed>/: weights.safetensors, and run.json with the seconds
that it would have taken alone.
"""

import argparse
import os

from stages import artifacts, command, params
from studies import run
from studies.bnn_families import STUDY, training_seconds

ENSEMBLES = {kind: f"{kind}_ensemble" for kind in ("map", "tempered_mean_field", "mc_dropout")}
SOURCE = ENSEMBLES | {"laplace": "map"}


def main() -> None:
    """Take the network, or the ensemble's first; finish it; save it."""
    parser = argparse.ArgumentParser(prog="python -m studies.bnn_families.share", description=__doc__)
    parser.add_argument("--run", choices=SOURCE, required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    folders = run.prepare(STUDY, SOURCE[args.run]), run.prepare(STUDY, args.run)
    trained, settings = (params.load(folder / "params.yaml") for folder in folders)
    source, target = (folder / "posteriors" / "bnn" / str(args.seed) for folder in folders)

    from stages import runtime
    from stages.inference import bnn as inference
    from stages.inference import posterior
    from stages.models import bnn

    device = runtime.prepare(settings.device, args.seed, settings.matmul_precision)
    model, guide = bnn.build(trained.bnn)
    posterior.load(source / "weights.safetensors", model, guide)
    seconds = training_seconds(source, trained.bnn.steps)
    if trained.bnn.inference == "ensemble":
        guide, seconds = guide.members[0], seconds / trained.bnn.members

    costs = runtime.Costs(device)
    os.chdir(folders[1])
    problem = inference.problem(settings, args.seed, device)
    problem.guide.load_state_dict(guide.state_dict(), strict=False)  # a Laplace guide has a covariance more
    problem.finish()
    posterior.save(target / "weights.safetensors", problem.model, problem.guide)
    finished = costs.finish(0)
    artifacts.write_json(target / "run.json", {"seconds": round(seconds + finished["seconds"], 2)})


if __name__ == "__main__":
    command.run(main)
