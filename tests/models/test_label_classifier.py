"""The classifier of partly labelled images, and its mean over binary draws."""

import pytest
import torch
from torch import nn

from stages.models import label_classifier
from tests import tiny


@pytest.mark.parametrize("network", ["mlp", "lenet"])
def test_dropout_ends_with_training(network):
    torch.manual_seed(0)
    made = label_classifier.build(tiny.settings(ssvae={"network": network, "dropout": 0.5}).ssvae)
    x = (tiny.images(4).pixels > 127).float()
    assert not torch.equal(made(x), made(x))
    assert torch.equal(made.eval()(x), made(x))


def test_black_and_white_images_have_one_binary_draw():
    torch.manual_seed(0)
    network = label_classifier.build(tiny.settings().ssvae).eval()
    pixels = 255 * (tiny.images(4).pixels > 127).byte()
    (found,) = label_classifier.class_probabilities([network], pixels, 3)
    torch.testing.assert_close(found, network(pixels / 255.0).softmax(-1).detach())


def test_probabilities_are_averaged_over_draws():
    """A network that is certain of class 1 if the first pixel is white, else of class 0; the pixel is 51 / 255."""

    class First(nn.Module):
        def forward(self, x):
            return 100.0 * torch.stack([1 - x[:, 0], x[:, 0]], dim=-1)

    torch.manual_seed(0)
    pixels = torch.full((50, 784), 51, dtype=torch.uint8)
    found, again = label_classifier.class_probabilities([First(), First()], pixels, 200)
    assert torch.equal(found, again)  # the same draws
    assert float(found[:, 1].mean()) == pytest.approx(0.2, abs=5 * 0.4 / (50 * 200) ** 0.5)
    assert float(found[:, 1].std()) == pytest.approx(0.4 / 200**0.5, rel=0.4)


def test_logits_do_not_depend_on_the_batches(monkeypatch):
    torch.manual_seed(0)
    network, x = label_classifier.build(tiny.settings().ssvae).eval(), torch.rand(7, 784)
    whole = label_classifier.logits(network, x)
    monkeypatch.setattr(label_classifier, "IMAGES_AT_ONCE", 2)
    torch.testing.assert_close(label_classifier.logits(network, x), whole)
    assert torch.equal(whole, network(x))
