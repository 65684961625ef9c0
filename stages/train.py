"""Train one model by stochastic variational inference, for one seed.

Writes posteriors/<model>/<seed>/: weights.safetensors and elbo.csv (the same bytes on every rerun), and run.json.
A training that was cut off goes on from its last checkpoint.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import artifacts, command, params


def main() -> None:
    """Read params and data, run the loop, save the posterior."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("--model", choices=params.TRAINED, required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = params.load()

    from stages import runtime
    from stages.inference import checkpoints, posterior, svi

    inference = import_module(f"stages.inference.{args.model}")
    training = getattr(settings, args.model)
    device = runtime.prepare(settings.device, args.seed, settings.matmul_precision)
    costs = runtime.Costs(device)
    sections = settings.model_dump(include=set(inference.PARAMS))
    data = [path.format(seed=args.seed) for path in inference.DATA]
    identity = runtime.identity(device, args.seed, sections, data)
    with checkpoints.alone(args.model, args.seed) as scratch:
        checkpoint = checkpoints.Checkpoint(scratch, identity, settings.checkpoint_seconds)
        problem = inference.problem(settings, args.seed, device)
        history = svi.fit(problem, training, f"{args.model} {args.seed}", checkpoint)
        problem.finish()

        folder = Path("posteriors") / args.model / str(args.seed)
        posterior.save(folder / "weights.safetensors", problem.model, problem.guide)
        artifacts.write_csv(folder / "elbo.csv", history)
        steps = training.steps - checkpoint.resumed_at
        record = identity | {"resumed_at_step": checkpoint.resumed_at} | costs.finish(steps * problem.batch_size)
        artifacts.write_json(folder / "run.json", record)
        checkpoint.remove()


if __name__ == "__main__":
    command.run(main)
