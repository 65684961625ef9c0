"""The data of the semi-supervised model."""

import pytest
import torch

from stages.inference.partly_labelled import PartlyLabelled
from tests import tiny


@pytest.fixture
def data(problem):
    """`problem` replaces MNIST by synthetic images."""
    return PartlyLabelled(tiny.settings(), seed=0, device=torch.device("cpu"))


def test_every_image_is_labelled_or_unlabelled(data):
    everything = tiny.images(len(data.unlabelled) + len(data.labelled))
    rows = torch.cat([data.unlabelled, data.labelled]).tolist()
    assert sorted(rows) == sorted(everything.pixels.tolist())
    images = {
        tuple(row): int(label) for row, label in zip(everything.pixels.tolist(), everything.labels, strict=True)
    }
    assert [images[tuple(row)] for row in data.labelled.tolist()] == data.labels.tolist()


def test_validation_has_no_more_labels_than_training(data):
    assert len(data.validation) == len(data.labels)


@pytest.mark.parametrize("name", ["ssvae", "labels_only"])
def test_batches_stand_for_all_images_of_their_kind(problem, data, name):
    made = problem(name, batch_size=5, labelled_batch_size=3) if name == "ssvae" else problem(name, batch_size=3)
    if name == "ssvae":
        (x, size, view), (labelled, labels, labels_size, labelled_view), *_ = made.batch(0)
        assert size == len(data.unlabelled)
        assert len(x) == len(view) == 5
        assert len(labelled) == 3
    else:
        labelled_view, labels, labels_size = made.batch(0)
    assert labels_size == len(data.labels)
    assert len(labelled_view) == len(labels) == 3
    assert set(labelled_view.unique().tolist()) == {0.0, 1.0}


def test_validation_error_is_a_share_of_validation_images(data):
    class Always(torch.nn.Module):
        def forward(self, x):
            assert set(x.unique().tolist()) <= {0.0, 1.0}  # binary, as in training
            return torch.nn.functional.one_hot(torch.full((len(x),), 3), 10).float()

    threes = (data.validation.labels == 3).float().mean()
    assert data.error_percent(Always()) == pytest.approx(100 * float(1 - threes))
