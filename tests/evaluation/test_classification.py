"""Metrics of classifiers against loops, permutations and fractions, and their invariances."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.evaluation import classification

FLOAT32 = 1e-6  # torchmetrics computes in float32


def classifier(cases, classes=10, seed=0):
    """Random probabilities, and labels of which about half are the most probable class."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.3), cases)
    random = generator.integers(0, classes, cases)
    return probabilities, np.where(generator.random(cases) < 0.5, probabilities.argmax(1), random)


def two_classes(confidence, correct):
    """A classifier that always predicts 0, with these confidences (above one half), and is correct or not."""
    return np.stack([confidence, 1 - confidence], axis=1), np.where(correct, 0, 1)


# --- metrics of probabilities ----------------------------------------------------------------------------


def test_three_cases_by_hand():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]])
    found = classification.metrics(probabilities, np.array([0, 2, 2]))
    assert found["error_percent"] == pytest.approx(100 / 3)
    assert found["nll"] == pytest.approx((math.log(2) + math.log(4) + 0) / 3)
    assert found["brier"] == pytest.approx((6 / 16 + 14 / 16 + 0) / 3)
    assert found["ece"] == pytest.approx((2 * abs(0.5 - 0.5) + abs(1 - 1)) / 3, abs=FLOAT32)
    assert found["adaptive_ece"] == pytest.approx((0.5 + 0.5 + 0) / 3)  # one bin per case
    assert found["predictive_entropy"] == pytest.approx(2 * (0.5 * math.log(2) + 0.5 * math.log(4)) / 3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nll_brier_entropy_and_error_by_loops(dtype):
    probabilities, labels = classifier(200)
    nll = brier = entropy = wrong = 0.0
    for p, label in zip(probabilities.tolist(), labels.tolist(), strict=True):
        nll -= math.log(p[label])
        brier += sum((p[c] - (c == label)) ** 2 for c in range(10))
        entropy -= sum(q * math.log(q) for q in p if q > 0)
        wrong += max(p) > p[label]
    found = classification.metrics(probabilities.astype(dtype), labels)
    near = {"rel": 1e-12 if dtype is np.float64 else 1e-5}
    assert found["nll"] == pytest.approx(nll / 200, **near)
    assert found["brier"] == pytest.approx(brier / 200, **near)
    assert found["predictive_entropy"] == pytest.approx(entropy / 200, **near)
    assert found["error_percent"] == pytest.approx(100 * wrong / 200)


def test_classes_without_a_case_are_still_classes():
    probabilities = np.full((4, 10), 0.1)
    found = classification.metrics(probabilities, np.zeros(4, dtype=np.int64))
    assert found["nll"] == pytest.approx(math.log(10))
    assert found["brier"] == pytest.approx(0.9**2 + 9 * 0.1**2)


# --- calibration -----------------------------------------------------------------------------------------


def ece_by_loop(confidence, correct, bins=15):
    total = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(confidence) if b <= c * bins < b + 1 or (b == bins - 1 and c == 1)]
        if inside:
            gap = sum(correct[i] for i in inside) / len(inside) - sum(confidence[i] for i in inside) / len(inside)
            total += abs(gap) * len(inside) / len(confidence)
    return total


def test_ece_by_loop():
    probabilities, labels = classifier(500)
    expected = ece_by_loop(probabilities.max(1), probabilities.argmax(1) == labels)
    assert classification.metrics(probabilities, labels)["ece"] == pytest.approx(expected, abs=FLOAT32)


@pytest.mark.parametrize("sure", [1.0, 1 - 1e-9])
def test_ece_puts_certainty_into_the_last_of_its_15_bins(sure):
    """0.97 and 1 share a bin: three of four are correct there, at a mean confidence of 0.985."""
    probabilities, labels = two_classes(np.array([sure, sure, 0.97, 0.97]), np.array([True, False, True, True]))
    assert classification.metrics(probabilities, labels)["ece"] == pytest.approx(0.985 - 0.75, abs=FLOAT32)


@given(st.integers(0, 2**32 - 1))
def test_ece_of_a_calibrated_classifier_is_sampling_error(seed):
    """In each bin the gap is a mean of independent errors of known variance, about normal: E|gap| is known."""
    generator = np.random.default_rng(seed)
    confidence = generator.uniform(0.5, 1, 3000)
    probabilities, labels = two_classes(confidence, generator.random(3000) < confidence)
    bins = np.floor(confidence * 15).astype(int)
    sd = np.sqrt(np.bincount(bins, weights=confidence * (1 - confidence))) / 3000  # of each bin's part of the ECE
    mean, error = math.sqrt(2 / math.pi) * sd.sum(), math.sqrt((1 - 2 / math.pi) * np.sum(sd**2))
    assert abs(classification.metrics(probabilities, labels)["ece"] - mean) < 6 * error


@pytest.mark.parametrize("metric", ["ece", "adaptive_ece"])
def test_calibration_error_is_the_gap_of_a_classifier_that_is_equally_sure_of_all(metric):
    probabilities, labels = two_classes(np.full(150, 0.9), np.arange(150) % 5 < 3)  # 90% confidence, 60% correct
    assert classification.metrics(probabilities, labels)[metric] == pytest.approx(0.3, abs=FLOAT32)


def test_adaptive_bins_hold_the_same_number_of_cases():
    """Seven cases in three bins, lowest confidence first: 3, 2 and 2."""
    confidence = np.array([0.9, 0.2, 0.6, 0.3, 0.8, 0.4, 0.7])
    correct = np.array([True, False, True, True, False, False, True])
    gaps = [abs(0.9 - 1), abs(1.3 - 2), abs(1.7 - 1)]  # sums over {.2 .3 .4}, {.6 .7}, {.8 .9}
    found = classification.adaptive_calibration_error(confidence, correct, bins=3)
    assert found == pytest.approx(sum(gaps) / 7)


def test_adaptive_bins_beyond_the_number_of_cases_are_empty():
    found = classification.adaptive_calibration_error(np.array([0.6, 0.9]), np.array([True, False]), bins=15)
    assert found == pytest.approx((0.4 + 0.9) / 2)


# --- risk and coverage -----------------------------------------------------------------------------------

answers = st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=40)  # with many ties
few_answers = st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=6)


def arrays(answers):
    confidence, correct = zip(*answers, strict=True)
    return np.array(confidence, dtype=np.float64), np.array(correct)


@given(few_answers)
def test_selective_risk_is_the_mean_over_all_orders_of_equal_cases(answers):
    risks = []
    for order in itertools.permutations(answers):
        ordered = sorted(order, key=lambda answer: -answer[0])
        errors = list(itertools.accumulate(not correct for _, correct in ordered))
        risks.append([errors[k] / (k + 1) for k in range(len(ordered))])
    expected = np.mean(risks, axis=0)
    np.testing.assert_allclose(classification.selective_risk(*arrays(answers)), expected, atol=1e-12)
    assert classification.area_under_risk_coverage(*arrays(answers)) == pytest.approx(expected.mean(), abs=1e-12)


def test_aurc_by_hand():
    confidence, correct = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])
    assert classification.area_under_risk_coverage(confidence, correct) == pytest.approx(
        (0 + 1 / 2 + 1 / 3 + 1 / 2) / 4
    )


@given(answers)
def test_aurc_lies_between_no_error_and_all_errors(answers):
    confidence, _ = arrays(answers)
    assert classification.area_under_risk_coverage(confidence, np.ones(len(answers), dtype=bool)) == 0
    assert classification.area_under_risk_coverage(
        confidence, np.zeros(len(answers), dtype=bool)
    ) == pytest.approx(1)


@given(answers, st.sampled_from([0.05, 0.15, 0.35, 0.55]))
def test_coverage_at_risk_by_fractions(answers, risk):
    """Cases of equal confidence are one group; each of its cases counts with the error rate of the group."""
    levels = sorted({level for level, _ in answers}, reverse=True)
    expected, errors, answered = 0, Fraction(0), 0
    for level in levels:
        group = [correct for at, correct in answers if at == level]
        for _ in group:
            errors, answered = errors + Fraction(group.count(False), len(group)), answered + 1
            if errors / answered <= risk:
                expected = answered
    found = classification.coverage_at_risk(*arrays(answers), risk)
    assert found == pytest.approx(expected / len(answers), abs=1e-12)


@pytest.mark.parametrize(
    ("right_before_the_error", "coverage"), [(999, 1.0), (998, 998 / 1000), (0, 0.0)], ids=str
)
def test_one_error_in_a_thousand_is_allowed(right_before_the_error, coverage):
    """The cases after the error, if any, are wrong too."""
    correct = np.arange(1000) < right_before_the_error
    found = classification.metrics(*two_classes(np.linspace(0.99, 0.6, 1000), correct))
    assert found["coverage_at_risk_1e3"] == coverage


@pytest.mark.parametrize("errors", [1, 3, 7])
def test_one_error_in_a_thousand_is_allowed_among_cases_of_equal_confidence(errors):
    correct = np.arange(1000 * errors) >= errors
    found = classification.metrics(*two_classes(np.ones(len(correct)), correct))
    assert found["coverage_at_risk_1e3"] == 1


@given(answers, st.randoms())
def test_risk_and_coverage_do_not_depend_on_the_order_of_cases(answers, random):
    shuffled = random.sample(answers, len(answers))
    for measure in measures():
        assert measure(*arrays(shuffled)) == pytest.approx(measure(*arrays(answers)), abs=1e-12)


@pytest.mark.parametrize("transform", [lambda c: 2 * c - 7, np.exp, lambda c: -1 / c, np.sqrt])
@given(answers=answers)
def test_risk_and_coverage_see_only_the_order_of_confidences(transform, answers):
    confidence, correct = arrays(answers)
    for measure in measures():
        assert measure(transform(confidence), correct) == measure(confidence, correct)


def measures():
    def coverage(confidence, correct):
        return classification.coverage_at_risk(confidence, correct, 0.15)

    return classification.area_under_risk_coverage, coverage


@given(st.integers(0, 2**32 - 1))
def test_no_metric_depends_on_the_order_of_cases(seed):
    probabilities, labels = classifier(60, seed=seed)
    order = np.random.default_rng(seed).permutation(60)
    expected = classification.metrics(probabilities, labels)
    assert classification.metrics(probabilities[order], labels[order]) == pytest.approx(expected, abs=FLOAT32)


def test_metrics_of_a_perfect_classifier():
    labels = np.arange(10)
    found = classification.metrics(np.eye(10, dtype=np.float32), labels)
    assert found.pop("coverage_at_risk_1e3") == 1
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-12)
    assert classification.metrics(np.eye(10), (labels + 1) % 10)["coverage_at_risk_1e3"] == 0
