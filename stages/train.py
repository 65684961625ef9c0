"""Train one model by stochastic variational inference, for one seed.

Writes posteriors/<model>/<seed>/: weights.safetensors and elbo.csv, the same bytes on every rerun. A record of the
run's time, memory and machine goes to .runs/, which DVC does not track. An interrupted run resumes from its last
checkpoint. With LIVE=1 in the environment, its figures so far are written to .live/<model>/<seed>/.
"""

from importlib import import_module
from pathlib import Path

from stages import command
from stages.params import TRAINED


def main() -> None:
    """Read params and data, run the SVI loop, and save the posterior."""
    call = command.opened(__doc__, models=TRAINED, seed=True)
    settings, model, seed = call.settings, call.model, call.seed

    from stages import artifacts, runtime
    from stages.inference import posterior
    from stages.inference.loop import checkpoints, live, svi

    inference = import_module(f"stages.inference.{model}")
    training = getattr(settings, model)
    device = runtime.prepare(settings, seed)
    costs = runtime.Costs(device)
    sections = settings.model_dump(include=set(inference.PARAMS))
    data = [path.format(seed=seed, settings=settings) for path in inference.DATA]
    identity = runtime.identity(device, seed, sections, data)
    with checkpoints.alone(model, seed) as scratch, live.opened(model, seed) as figures:
        checkpoint = checkpoints.Checkpoint(scratch, identity, settings.checkpoint_seconds)
        problem = inference.problem(settings, seed, device)
        history = svi.fit(problem, training, f"{model} {seed}", checkpoint, figures)
        problem.finish()

        folder = Path("posteriors") / model / str(seed)
        posterior.save(folder / "weights.safetensors", problem.model, problem.guide)
        artifacts.write_csv(folder / "elbo.csv", history)
        took = costs.finish(training.steps * problem.batch_size, checkpoint.earlier)
        runtime.record(folder, identity | {"resumed_at_step": checkpoint.resumed_at} | took)
        checkpoint.remove()


if __name__ == "__main__":
    command.run(main)
