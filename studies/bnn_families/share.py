"""Derive a posterior from one that was already trained: a member of an ensemble, or a Laplace approximation.

Writes studies/bnn_families/runs/<run>/posteriors/bnn/<seed>/weights.safetensors. If there is a record of the
original training run, also writes to .runs/ the seconds that training this posterior alone would have taken.
"""

import argparse
import os

from stages import command
from studies import run
from studies.bnn_families import STUDY

ENSEMBLES = {kind: f"{kind}_ensemble" for kind in ("map", "tempered_mean_field", "mc_dropout")}
SOURCE = ENSEMBLES | {"laplace": "map"}


def main() -> None:
    """Load the network, or the first of the ensemble, complete its posterior, and save it."""
    parser = argparse.ArgumentParser(prog="python -m studies.bnn_families.share", description=__doc__)
    parser.add_argument("--run", choices=SOURCE, required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in study.yaml")
    args = parser.parse_args()
    folders = run.prepare(STUDY, SOURCE[args.run]), run.prepare(STUDY, args.run)
    trained, settings = (command.settings_of(folder / "params.yaml") for folder in folders)
    source, target = (folder / "posteriors" / "bnn" / str(args.seed) for folder in folders)

    from stages import runtime
    from stages.inference import bnn as inference
    from stages.inference import posterior
    from stages.models import bnn

    device = runtime.prepare(settings, args.seed)
    model, guide = bnn.build(trained.bnn)
    posterior.load(source / "weights.safetensors", model, guide)
    members = 1
    if trained.bnn.inference == "ensemble":
        guide, members = guide.members[0], trained.bnn.members

    costs = runtime.Costs(device)
    os.chdir(folders[1])
    problem = inference.problem(settings, args.seed, device)
    problem.guide.load_state_dict(guide.state_dict(), strict=False)  # a Laplace guide also has a covariance
    problem.finish()
    posterior.save(target / "weights.safetensors", problem.model, problem.guide)
    if training := runtime.recorded(source):
        runtime.record(target, costs.finish(earlier=training["seconds"] / members))


if __name__ == "__main__":
    command.run(main)
