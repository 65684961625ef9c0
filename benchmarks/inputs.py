"""One epoch of batches: indexing bytes on the device, against torchvision's data set in a data loader."""

from benchmarks.contest import Contestant, race, ratio
from stages import datasets

BATCH = 128


def row(settings, steps: int, rounds: int) -> dict:
    """Seconds per epoch of MNIST's 50,000 training images, in [0, 1], with labels."""
    import torch
    from torch.utils.data import DataLoader, Subset
    from torchvision import transforms
    from torchvision.datasets import MNIST

    data = datasets.load("mnist", "train", settings.images)
    minibatches = datasets.Minibatches(len(data), BATCH, 0, torch.device("cpu"))

    class Mnist(MNIST):
        raw_folder = "data/images/mnist"

    files = Mnist("data", train=True, transform=transforms.ToTensor())
    loader = DataLoader(Subset(files, range(len(data))), BATCH, shuffle=True, drop_last=True)
    epoch = 0

    def ours(epochs: int) -> None:
        nonlocal epoch
        for _ in range(epochs):
            for step in range(minibatches.per_epoch):
                index = minibatches(epoch * minibatches.per_epoch + step)
                datasets.unit_interval(data.pixels[index]), data.labels[index]
            epoch += 1

    def loading(epochs: int) -> None:
        for _ in range(epochs):
            for _images, _labels in loader:
                pass

    no_loss = lambda: float("nan")  # noqa: E731
    times = race(
        [Contestant("ours", no_loss, ours), Contestant("DataLoader", no_loss, loading)], steps=1, rounds=3
    )
    return {
        "dataloader_over_ours": ratio(times, "DataLoader", "ours"),
        "contestants": {name: time.summary() for name, time in times.items()},
    }
