"""Contestants are only timed if they compute the same thing."""

import itertools
import math
import time

import pytest

from benchmarks.contest import Contestant, Times, agree, race, ratio
from stages.command import Failure


def contestant(name, losses=(1.0,), seconds=0.0, calls=None):
    def run(steps):
        time.sleep(seconds * steps)
        if calls is not None:
            calls.append((name, steps))

    return Contestant(name, itertools.cycle(losses).__next__, run)


def test_equal_losses_agree():
    means = agree([contestant("a", [1.0, 2.0]), contestant("b", [2.0, 1.0])], draws=10, what="row")
    assert means == {"a": 1.5, "b": 1.5}


@pytest.mark.parametrize("wrong", [1.51, math.nan, math.inf])
def test_another_loss_is_named(wrong):
    """Without noise, no difference is allowed."""
    rivals = [contestant("ours", [1.5]), contestant("theirs", [wrong])]
    with pytest.raises(Failure, match=r"row: theirs has loss .*, ours has 1.5"):
        agree(rivals, draws=10, what="row")


def test_noise_excuses_a_difference_of_its_own_size_only():
    noisy = [0.0, 2.0]  # mean 1, standard error 0.1 at 100 draws
    agree([contestant("a", noisy), contestant("b", [value + 0.3 for value in noisy])], draws=100, what="row")
    with pytest.raises(Failure):
        agree([contestant("a", noisy), contestant("b", [value + 0.8 for value in noisy])], draws=100, what="row")


def test_slack_is_relative():
    pair = [contestant("a", [100.0]), contestant("b", [101.0])]
    agree(pair, draws=5, what="row", slack=0.02)
    with pytest.raises(Failure):
        agree(pair, draws=5, what="row", slack=0.005)


def test_everyone_warms_up_once_and_then_takes_turns_to_be_first():
    calls = []
    times = race([contestant("a", calls=calls), contestant("b", calls=calls)], steps=3, rounds=2)
    assert calls == [(name, 3) for name in ("a", "b", "a", "b", "b", "a")]
    assert [len(time.rounds) for time in times.values()] == [2, 2]


def test_times_are_milliseconds_per_step():
    [times] = race([contestant("a", seconds=0.01)], steps=2, rounds=3).values()
    assert 10 <= times.summary()["median_ms"] < 30


def test_ratio_is_the_median_over_rounds_of_the_same_round():
    """A round in which the whole machine was slow counts no more than any other."""
    times = {"a": Times([2.0, 20.0, 6.0]), "b": Times([1.0, 10.0, 2.0])}
    assert ratio(times, "a", "b") == 2.0
    assert ratio(times, "b", "a") == 0.5
    assert times["a"].summary() == {"median_ms": 6.0, "min_ms": 2.0, "max_ms": 20.0}
