"""Contestants that use no other library compute the same loss as ours."""

import pytest
import torch

from benchmarks import bnn, ssvae, torch_contestants, vae
from benchmarks.contest import agree
from tests import tiny


@pytest.fixture
def training():
    changes = {"schedule": "constant", "steps": 100, "clip_norm": 0.0, "execution": "eager"}
    return tiny.settings().vae.model_copy(update=changes)


@pytest.fixture(autouse=True)
def noise():
    torch.manual_seed(0)


def start(row, training, **options):
    """Contestants that need nothing but this project's packages; without the compiled ones, which take long."""
    images = tiny.images(row.BATCH)
    grey = (images.pixels / 255, images.labels)
    batches = [grey if row is bnn else (images.pixels > 127).float()]
    contestants = row.contestants(batches, training, torch_alone=True, **options)
    return [contestant for contestant in contestants if contestant.name != "hand-written, compiled"]


@pytest.mark.parametrize(
    ("row", "options"),
    [(vae, {}), (ssvae, {}), (bnn, {"network": "mlp"}), (bnn, {"network": "lenet"})],
    ids=["vae", "ssvae", "mlp", "lenet"],
)
def test_all_compute_the_same_loss(training, row, options):
    contestants = start(row, training, **options)
    assert [contestant.name for contestant in contestants] == ["ours", "hand-written, eager", "tutorial"]
    agree(contestants, draws=20, what=row.__name__)


def test_every_contestant_takes_steps_and_learns(training):
    """The same initial loss is not enough: each must change, and in the same way."""
    contestants = start(vae, training.model_copy(update={"learning_rate": torch_contestants.RATE}))
    before = agree(contestants, draws=10, what="before")
    for contestant in contestants:
        contestant.run(30)
    after = agree(contestants, draws=10, what="after", slack=0.01)
    assert all(after[name] < 0.97 * before[name] for name in before)
