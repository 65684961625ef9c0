"""What the judge of drawn digits learns from."""

from tests import tiny


def test_half_of_a_batch_is_grey_and_half_binary(problem):
    made = problem("judge", batch_size=8)
    images, labels, size = made.batch(0)
    grey = [len(image.unique()) > 2 for image in images]
    assert grey == [True] * 4 + [False] * 4
    assert set(images[4:].unique().tolist()) == {0.0, 1.0}
    assert size == len(tiny.images(60)) and len(labels) == 8
