"""Ask the Bayesian neural network about your own images.

An image may have any size, format and mode, dark on light or light on dark; a folder stands for the images in it.
For each one: the class, its probability with the interval of the central 90% of the networks drawn from the
posterior, and the entropy in nats with its two parts: aleatoric (the image is ambiguous to every network) and
epistemic (the networks disagree). Above the threshold that was chosen on validation data, or without clear ink,
the answer is "cannot tell: ask a person". No data set is needed.
"""

import argparse
import json
import sys
from pathlib import Path

from stages import command
from stages.command import Failure

EPILOG = """
exit status:
  0  every image was answered
  1  an error; or an image could not be read: it is named, and the others are answered all the same
  2  the command was called in a wrong way
  3  every image was read, and at least one was handed to a person

--json prints one object: data_set, seed, networks, threshold (nats), interval (the share 0.9), images, unreadable.
Each of `images` has file, class, probability, interval [low, high], entropy, expected_entropy (aleatoric),
mutual_information (epistemic), ask_a_person, clear_ink, and probabilities by class. Each of `unreadable` has file
and problem.
"""


def main() -> None:
    """Read the images, ask the networks, print what they say."""
    args = arguments()
    settings = command.settings_of("params.yaml")
    seed = settings.seeds[0] if args.seed is None else args.seed
    if args.samples:
        drawn = settings.evaluate.bnn.model_copy(update={"posterior_samples": args.samples})
        settings = settings.model_copy(update={"evaluate": settings.evaluate.model_copy(update={"bnn": drawn})})

    from stages import runtime
    from stages.predictive import bnn
    from tools import answers, pictures

    paths = pictures.files(args.images)
    if args.plot and len(paths) > answers.PLOTTED:
        raise Failure(
            f"--plot shows at most {answers.PLOTTED} images, not {len(paths)}: name fewer, or leave it out"
        )
    threshold = threshold_of(Path(f"metrics/referral/bnn/{seed}.json"))
    weights = Path(f"posteriors/bnn/{seed}/weights.safetensors")
    if not weights.exists():
        raise Failure(f"{weights} is missing: `make pretrained` or `make pull` fetch it, `dvc repro` trains it")
    trained = bnn.trained(settings, seed, runtime.prepare(settings, seed))

    kind = pictures.kind_of(settings.bnn.dataset, settings.data_sets)
    names, found, unreadable = answers.class_names(settings), [], []
    for path in paths:
        try:
            picture = pictures.prepared(pictures.read(path), kind)
        except pictures.UnreadableError as error:
            print(error, file=sys.stderr)
            unreadable.append({"file": str(path), "problem": str(error)})
            continue
        votes = answers.votes(settings, trained, picture.pixels, seed)
        found.append(answers.Answer(path, picture, votes, names, threshold))

    if args.json:
        content = {
            "data_set": settings.bnn.dataset,
            "seed": seed,
            "networks": bnn.draws(settings),
            "threshold": threshold,
            "interval": answers.INTERVAL,
            "images": [answers.as_json(answer) for answer in found],
            "unreadable": unreadable,
        }
        print(json.dumps(content, indent=2, allow_nan=False))
    elif found:
        print(answers.table(found))
    if args.plot and found:
        answers.plot(args.plot, found)
    raise SystemExit(1 if unreadable else 3 if any(answer.ask_a_person for answer in found) else 0)


def arguments() -> argparse.Namespace:
    """What the command was called with."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.predict",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="an image file, or a folder of them")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="the images as the network saw them, with votes"
    )
    parser.add_argument(
        "--seed", type=int, help="which posterior, and of the draws (default: the first in params.yaml)"
    )
    parser.add_argument("--samples", type=int, help="networks to draw (default: evaluate.bnn.posterior_samples)")
    args = parser.parse_args()
    if args.seed is not None and not 0 <= args.seed < 2**31:
        parser.error(f"--seed {args.seed}: must be at least 0 and less than 2**31")
    if args.samples is not None and not 1 <= args.samples <= 10_000:
        parser.error(f"--samples {args.samples}: must be from 1 to 10,000")
    if args.plot and args.plot.suffix.lower() != ".png":
        parser.error(f"--plot {args.plot}: name a file that ends with .png")
    return args


def threshold_of(path: Path) -> float:
    """The entropy in nats up to which the network answers itself, as `stages/refer.py` chose it."""
    try:
        return float(json.loads(path.read_text())["threshold_nats"])
    except FileNotFoundError:
        remedy = "`git restore metrics` brings it back, `dvc repro refer_bnn` makes it"
        raise Failure(f"{path} is missing, which holds the threshold: {remedy}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "`dvc repro refer_bnn` makes it anew"
        raise Failure(f"{path} holds no threshold_nats ({type(error).__name__}): {remedy}") from None


if __name__ == "__main__":
    command.run(main)
