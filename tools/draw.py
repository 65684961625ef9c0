"""Draw images from the decoder of a variational autoencoder, as one PNG in rows of ten.

vae draws clothes: z from the prior, decoded to the probability of each pixel. ssvae draws digits: a style z from
the prior and a label, the one asked for, or 0 to 9 in turn. No data set is needed. The same seed draws the same
images.
"""

import argparse
from importlib import import_module
from pathlib import Path

from stages import command
from stages.command import Failure

MOST = 1000  # images in a picture
COLUMNS, GAP, ENLARGED = 10, 2, 3  # images in a row, pixels between two, pixels on paper for each


def main() -> None:
    """Draw, write, say where."""
    args = arguments()
    settings = command.settings_of("params.yaml")
    posterior_seed = settings.seeds[0] if args.posterior is None else args.posterior
    seed = posterior_seed if args.seed is None else args.seed

    import torch

    from stages import runtime
    from stages.inference import posterior
    from tools import pictures

    weights = Path(f"posteriors/{args.model}/{posterior_seed}/weights.safetensors")
    if not weights.exists():
        raise Failure(f"{weights} is missing: `make pull` fetches it, `dvc repro train_{args.model}` trains it")
    device = runtime.prepare(settings, seed)
    model, guide = import_module(f"stages.models.{args.model}").build(getattr(settings, args.model))
    posterior.load(weights, model, guide)
    torch.manual_seed(seed)  # building has drawn weights
    images = drawn(model.to(device), args.model, args.count, args.label)
    with pictures.saving(args.out) as temporary:
        grid(images).save(temporary, format="PNG")
    print(f"{args.out}: {args.count} {'image' if args.count == 1 else 'images'}")


def arguments() -> argparse.Namespace:
    """What the command was called with."""
    parser = argparse.ArgumentParser(prog="python -m tools.draw", description=__doc__)
    parser.add_argument("model", choices=("vae", "ssvae"))
    parser.add_argument(
        "--label", type=int, choices=range(10), help="ssvae: the digit to draw (default: 0 to 9 in turn)"
    )
    parser.add_argument("--count", type=int, default=20, help=f"images, 1 to {MOST} (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="of the draws (default: that of the posterior)")
    parser.add_argument(
        "--posterior", type=int, metavar="SEED", help="which one (default: the first of params.yaml)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.png", help="the picture")
    args = parser.parse_args()
    if args.label is not None and args.model == "vae":
        parser.error("--label: vae knows no labels: leave it out, or draw digits with ssvae")
    if not 1 <= args.count <= MOST:
        parser.error(f"--count {args.count}: must be from 1 to {MOST}")
    for name in ("seed", "posterior"):
        if (value := getattr(args, name)) is not None and not 0 <= value < 2**31:
            parser.error(f"--{name} {value}: must be at least 0 and less than 2**31")
    if args.out.suffix.lower() != ".png":
        parser.error(f"--out {args.out}: name a file that ends with .png")
    return args


def drawn(model, name: str, count: int, label: int | None = None):
    """Probabilities of the pixels of images drawn from the prior, an array (count, 784) in [0, 1].

    Args:
        model: of stages/models/vae.py or ssvae.py, with its learned weights.
        name: `vae` or `ssvae`.
        count: images.
        label: ssvae: of all images; None: 0 to 9 in turn.
    """
    import torch

    device = next(model.parameters()).device
    with torch.no_grad():
        if name == "vae":
            from stages.models import vae

            return model.draw(vae.prior_draws(model, count))[1].cpu().numpy()
        z = torch.randn(count, model.latents).to(device)
        labels = torch.arange(count) % 10 if label is None else torch.full((count,), label)
        return model.draw(z, labels.to(device))[1].cpu().numpy()


def grid(images):
    """Images (count, 784) in [0, 1] side by side, dark on white, as a Pillow image."""
    import numpy as np
    from PIL import Image

    columns, pitch = min(len(images), COLUMNS), 28 + GAP
    rows = -(-len(images) // columns)
    paper = np.full((rows * pitch + GAP, columns * pitch + GAP), 255, dtype=np.uint8)
    for place, image in enumerate(images):
        row, column = (pitch * at + GAP for at in divmod(place, columns))
        paper[row : row + 28, column : column + 28] = np.rint(255 * (1 - image.reshape(28, 28)))
    return Image.fromarray(paper.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1))


if __name__ == "__main__":
    command.run(main)
