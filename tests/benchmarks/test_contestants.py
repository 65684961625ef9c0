"""What is raced is what it is called: contestants without another library compute the same loss as ours."""

import pytest
import torch

from benchmarks import bnn, ssvae, torch_contestants, vae
from benchmarks.contest import agree
from tests import tiny


@pytest.fixture
def training():
    return tiny.params().vae.model_copy(update={"schedule": "constant", "steps": 100, "compile": False})


@pytest.fixture(autouse=True)
def noise():
    torch.manual_seed(0)


def start(row, training):
    """The contestants of a VAE's row that need nothing but this project's packages."""
    inputs = [((tiny.images(row.BATCH).pixels > 127).float(),)]
    if row is vae:
        weights = {"encoder": vae.encoder().state_dict(), "decoder": vae.decoder().state_dict()}
    else:
        weights = [part.state_dict() for part in ssvae.networks()]
    hand_written = row.HandWritten(weights)
    return [
        row.ours(weights, inputs, training),
        torch_contestants.hand_written("by hand", hand_written, hand_written, inputs),
        row.tutorial(weights, inputs),
    ]


@pytest.mark.parametrize("row", [vae, ssvae], ids=["vae", "ssvae"])
def test_autoencoders(training, row):
    agree(start(row, training), draws=20, what=row.__name__)


@pytest.mark.parametrize("network", ["mlp", "lenet"])
def test_bnn(training, network):
    images = tiny.images(bnn.BATCH)
    batches = [(images.pixels / 255, images.labels)]
    build = bnn.bnn.NETWORKS[network]
    weights = build().state_dict()
    hand_written = bnn.HandWritten(build(), weights)
    agree(
        [
            bnn.ours(build(), weights, batches, training),
            torch_contestants.hand_written("by hand", hand_written, hand_written, batches),
            bnn.tutorial(build(), weights, batches),
        ],
        draws=20,
        what=network,
    )


def test_every_contestant_takes_steps_and_learns(training):
    """The same loss at the start is not enough: each must move, and to the same place."""
    contestants = start(vae, training.model_copy(update={"learning_rate": torch_contestants.RATE}))
    before = agree(contestants, draws=10, what="before")
    for contestant in contestants:
        contestant.run(30)
    after = agree(contestants, draws=10, what="after", slack=0.01)
    assert all(after[name] < 0.97 * before[name] for name in before)
