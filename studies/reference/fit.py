"""Fit one family to one problem, and predict.

Writes studies/reference/predictions/<problem>/<family>/cases.safetensors: probabilities (digits, 10) and labels
(digits,) of the test digits, and those of the validation digits in validation.safetensors.
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
    groups = {
        name: {
            "probabilities": fitting.predict(*posterior, splits[split][0], found["draws"]),
            "labels": splits[split][1],
        }
        for name, split in (("cases", "test"), ("validation", "validation"))
    }
    artifacts.write_groups(reference.predictions(args.problem, args.family), groups)


if __name__ == "__main__":
    command.run(main)
