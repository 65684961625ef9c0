"""Fit one family to one problem, and predict.

Writes studies/reference/predictions/<problem>/<family>/cases.safetensors: probabilities (digits, 10) and labels
(digits,) of the test digits.
"""

import argparse

from stages import artifacts, command
from studies import reference, run


def main() -> None:
    """Train, predict and save."""
    found = reference.study()
    parser = argparse.ArgumentParser(prog="python -m studies.reference.fit", description=__doc__)
    parser.add_argument("--problem", choices=found["problems"], required=True)
    parser.add_argument("--family", choices=found["families"], required=True)
    args = parser.parse_args()
    settings = command.settings_of(run.prepare(reference.STUDY, args.family) / "params.yaml")

    from stages import runtime
    from studies.reference import fitting, problems

    device = runtime.prepare(settings, found["seeds"][0])
    problem = problems.problem(args.problem)
    splits = {split: problems.data(problem, split, settings) for split in ("train", "validation", "test")}
    splits = {split: tuple(part.to(device) for part in parts) for split, parts in splits.items()}
    section = problems.section(problem, settings.bnn)
    title = f"{args.problem} {args.family}"
    posterior = fitting.fit(problem, section, splits["train"], splits["validation"], title)
    inputs, labels = splits["test"]
    cases = {"probabilities": fitting.predict(*posterior, inputs, found["draws"]), "labels": labels}
    artifacts.write_groups(reference.predictions(args.problem, args.family), {"cases": cases})


if __name__ == "__main__":
    command.run(main)
