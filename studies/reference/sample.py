"""Sample the posterior of one problem with NUTS, one chain, and predict.

Writes studies/reference/predictions/<problem>/chain<number>/: cases.safetensors, the test digits' mean
probabilities (digits, 10) and labels (digits,); trace.safetensors, the log probability of each test digit's class
(draws, digits), for every n-th draw by `nuts.every`, and for each draw the leapfrog steps and whether its
trajectory diverged (draws,).
"""

import argparse
import os

from stages import artifacts, command
from studies import reference, run


def main() -> None:
    """Sample, predict and save."""
    parser = argparse.ArgumentParser(prog="python -m studies.reference.sample", description=__doc__)
    parser.add_argument("--problem", choices=reference.study()["problems"], required=True)
    parser.add_argument("--chain", type=int, required=True, help="its number: another one, other draws")
    args = parser.parse_args()
    settings = command.settings_of(run.prepare(reference.STUDY, "map") / "params.yaml")
    os.environ["JAX_PLATFORMS"] = "cpu"  # before JAX is imported
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

    import numpy as np

    from stages.models import weight_priors
    from studies.reference import problems
    from studies.reference.true_posterior import Posterior

    problem = problems.problem(args.problem)
    inputs, labels = (part.numpy() for part in problems.data(problem, "train", settings))
    test, classes = (part.numpy() for part in problems.data(problem, "test", settings))
    network, prior = (
        problems.network(problem.hidden, inputs.shape[1]),
        problems.section(problem, settings.bnn).prior,
    )
    layers = [layer for layer in network if hasattr(layer, "weight")]
    sds = [tuple(weight_priors.sd(prior, layer, name) for name in ("weight", "bias")) for layer in layers]
    posterior = Posterior(inputs, labels, [inputs.shape[1], *problem.hidden, problems.CLASSES], sds)
    chain = posterior.sample(problem.nuts, args.chain)

    total, log_p = np.zeros((len(test), problems.CLASSES)), []
    for draw, weights in enumerate(chain.weights):
        found = posterior.log_probabilities(weights, test)
        total += np.exp(found)
        if draw % problem.nuts.every == 0:
            log_p.append(found[np.arange(len(test)), classes].astype(np.float32))
    mean = (total / len(chain.weights)).astype(np.float32)
    groups = {
        "cases": {"probabilities": mean, "labels": classes},
        "trace": {
            "log_probability": np.stack(log_p),
            "steps": chain.steps,
            "divergent": chain.divergent.astype(np.uint8),
        },
    }
    artifacts.write_groups(reference.predictions(args.problem, f"chain{args.chain}"), groups)


if __name__ == "__main__":
    command.run(main)
