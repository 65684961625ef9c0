"""Train one model by stochastic variational inference, for one seed.

Writes posteriors/<model>/<seed>/: weights.safetensors and elbo.csv (the same bytes on every rerun), and run.json.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import artifacts, params


def main() -> None:
    """Read params and data, run the loop, save the posterior."""
    parser = argparse.ArgumentParser(prog="python -m stages.train", description=__doc__)
    parser.add_argument("--model", choices=params.TRAINED, required=True)
    parser.add_argument("--seed", type=int, required=True, help="one of `seeds` in params.yaml")
    args = parser.parse_args()
    settings = params.load_or_exit()

    from stages import runtime
    from stages.inference import posterior, svi

    inference = import_module(f"stages.inference.{args.model}")
    training = getattr(settings, args.model)
    device = runtime.prepare(settings.device, args.seed)
    record = runtime.Record(device, args.seed)
    problem = inference.problem(settings, args.seed, device)
    try:
        history = svi.fit(problem, training, title=f"{args.model} {args.seed}")
    except svi.DivergedError as error:
        raise SystemExit(str(error)) from None

    folder = Path("posteriors") / args.model / str(args.seed)
    posterior.save(folder / "weights.safetensors", problem.model, problem.guide)
    artifacts.write_csv(folder / "elbo.csv", history)
    artifacts.write_json(folder / "run.json", record.finish(training.steps * problem.batch_size))


if __name__ == "__main__":
    main()
