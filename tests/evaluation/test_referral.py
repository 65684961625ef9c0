"""Selection with guaranteed risk: its bound, its threshold, and that it keeps its promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from stages.evaluation import referral

CASES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=60)


@given(errors=st.integers(0, 20), more=st.integers(1, 200), probability=st.sampled_from([0.001, 0.05, 0.3]))
def test_bound_is_the_rate_that_makes_so_few_errors_improbable(errors, more, probability):
    rate = referral.error_bound(errors, errors + more, probability)
    assert binom.cdf(errors, errors + more, rate) == pytest.approx(probability, rel=1e-6)


def test_nothing_is_known_from_errors_alone():
    assert referral.error_bound(3, 3, 0.05) == 1.0


@given(cases=CASES, risk=st.sampled_from([0.05, 0.3, 0.9]))
def test_threshold_is_a_score_whose_bound_is_low_enough(cases, risk):
    score, correct = np.array([c[0] for c in cases], float), np.array([c[1] for c in cases])
    found = referral.guaranteed_threshold(score, correct, risk, confidence=0.9)
    if found > -np.inf:
        answered = score <= found
        assert found in score
        assert referral.error_bound(int((~correct[answered]).sum()), int(answered.sum()), 0.1) <= risk


def test_cases_that_cannot_promise_have_no_threshold():
    """With 20 cases without an error, the bound is above 0.1; with errors alone there is nothing to answer."""
    score = np.arange(20.0)
    assert referral.guaranteed_threshold(score, np.ones(20, bool), 0.1, 0.95) == -np.inf
    assert referral.guaranteed_threshold(score, np.zeros(20, bool), 0.5, 0.95) == -np.inf
    assert referral.guaranteed_threshold(np.arange(1000.0), np.ones(1000, bool), 0.1, 0.95) == 999.0


def test_every_threshold_that_is_looked_at_has_a_share_of_the_confidence():
    """For 501 right answers, the first half, the bound is 0.006 with probability 0.05, 0.0105 with 0.005."""
    score, right = np.arange(1000.0), np.ones(1000, bool)
    assert referral.error_bound(0, 501, 0.05) < 0.008 < 0.01 < referral.error_bound(0, 501, 0.05 / 10) < 0.011
    assert referral.guaranteed_threshold(score, right, 0.008, 0.95) == -np.inf
    assert referral.guaranteed_threshold(score, right, 0.011, 0.95) == 999.0


@pytest.mark.parametrize("ties", [False, True])
def test_promise_is_kept(ties):
    """Over 500 draws of the validation cases, the true error rate of answers is above the risk in 5% at most.

    P(error | score) = score / 10, so the cases with scores up to t have the error rate t / 20.
    """
    generator = np.random.default_rng(0)
    broken, answered = 0, []
    for _ in range(500):
        score = generator.random(4000)
        score = np.ceil(20 * score) / 20 if ties else score
        correct = generator.random(4000) >= score / 10
        threshold = referral.guaranteed_threshold(score, correct, risk=0.03, confidence=0.95)
        rate = max(threshold, 0.0) / 20 + (1 / 400 if ties else 0)
        broken += threshold > -np.inf and rate > 0.03
        answered.append(max(threshold, 0.0))
    assert broken <= 0.05 * 500
    assert np.mean(answered) > 0.1  # it does answer; 0.6 would be the most


def test_outcome():
    score, correct = np.array([0.1, 0.2, 0.3, 0.9]), np.array([True, False, True, False])
    found = referral.outcome(score, 0.2, correct)
    assert (found["referred_percent"], found["error_percent"]) == (50.0, 50.0)
    assert found["error_percent_low"] == pytest.approx(100 * (1 - 0.975**0.5))  # one error of two
    assert found["error_percent_high"] == pytest.approx(100 * 0.975**0.5)
    nobody = referral.outcome(score, -np.inf, correct)
    assert nobody["referred_percent"] == nobody["referred_percent_high"] == 100.0
    assert (nobody["error_percent"], nobody["error_percent_high"]) == (0.0, 100.0)
    others = referral.outcome(score, 0.15)
    assert others["referred_percent"] == 75.0 and "error_percent" not in others
