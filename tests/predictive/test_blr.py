"""The conjugate posterior against integration on a grid, its predictive against Student's t."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from stages.evaluation import criticism
from stages.evaluation.blr import of_cases
from stages.predictive import blr
from stages.predictive.blr import NormalInverseGamma
from tests import tiny

X = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 3.5, 4.0])
Y = np.array([0.3, 1.2, 1.1, 2.3, 2.9, 4.1, 4.0, 5.2])
LINE = np.column_stack([np.ones_like(X), X])
PARAMS = tiny.settings().blr  # a line, normal noise
PRIOR = NormalInverseGamma(np.array([0.5, -0.5]), np.array([[2.0, 0.5], [0.5, 1.0]]), shape=3.0, rate=0.5)


def moments_on_a_grid(prior, design, y, axes, log_variances):
    """Means, covariance of the coefficients, and mean and sd of the noise sd: prior times likelihood, summed."""
    *coefficients, log_variance = np.meshgrid(*axes, log_variances, indexing="ij")
    points, variance = np.stack(coefficients, axis=-1), np.exp(log_variance)
    log_density = stats.invgamma(prior.shape, scale=prior.rate).logpdf(variance) + log_variance  # dv = v d(log v)
    scale = np.linalg.inv(np.linalg.cholesky(prior.covariance))
    whitened = (points - prior.mean) @ scale.T / np.sqrt(variance)[..., None]
    log_density += stats.norm.logpdf(whitened).sum(-1) - len(prior.mean) * log_variance / 2
    for row, value in zip(design, y, strict=True):
        log_density += stats.norm.logpdf(value, points @ row, np.sqrt(variance))
    weight = np.exp(log_density - logsumexp(log_density)).ravel()
    points, noise = points.reshape(len(weight), -1), np.sqrt(variance).ravel()
    mean, noise_mean = weight @ points, weight @ noise
    covariance = (weight[:, None] * (points - mean)).T @ (points - mean)
    return mean, covariance, noise_mean, math.sqrt(weight @ (noise - noise_mean) ** 2)


@pytest.mark.parametrize("data", [2, 8])
def test_one_coefficient_on_a_grid(data):
    prior = NormalInverseGamma(np.array([0.3]), np.array([[2.0]]), shape=3.0, rate=0.5)
    design, y = LINE[-data:, 1:], Y[-data:]
    axes, log_variances = [np.linspace(-5, 8, 4001)], np.linspace(-7, 8, 401)
    mean, covariance, noise_mean, noise_sd = moments_on_a_grid(prior, design, y, axes, log_variances)
    exact = prior.given(design, y)
    assert exact.mean == pytest.approx(mean, rel=1e-6)
    assert exact.coefficient_sd == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)
    assert (exact.noise_mean, exact.noise_sd) == pytest.approx((noise_mean, noise_sd), rel=1e-4)


def test_two_coefficients_on_a_grid():
    axes, log_variances = [np.linspace(-1, 3, 161), np.linspace(0, 2, 161)], np.linspace(-6, 2, 81)
    mean, covariance, noise_mean, noise_sd = moments_on_a_grid(PRIOR, LINE, Y, axes, log_variances)
    exact = PRIOR.given(LINE, Y)
    assert exact.mean == pytest.approx(mean, rel=1e-5)
    assert exact.coefficient_sd == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-3)
    correlation = exact.covariance[0, 1] / math.sqrt(exact.covariance[0, 0] * exact.covariance[1, 1])
    assert correlation == pytest.approx(
        covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1]), rel=1e-3
    )
    assert (exact.noise_mean, exact.noise_sd) == pytest.approx((noise_mean, noise_sd), rel=1e-3)


def test_noise_of_the_prior_is_that_of_scipys_inverse_gamma():
    noise = stats.invgamma(PRIOR.shape, scale=PRIOR.rate)
    mean = noise.expect(np.sqrt)
    assert PRIOR.noise_mean == pytest.approx(mean, rel=1e-6)
    assert PRIOR.noise_sd == pytest.approx(math.sqrt(noise.mean() - mean**2), rel=1e-6)


@pytest.mark.parametrize(
    "parts", [[slice(0, 1), slice(1, 8)], [slice(4, 8), slice(0, 4)], [slice(i, i + 1) for i in range(8)]]
)
def test_data_in_parts_give_the_posterior_of_all(parts):
    posterior = PRIOR
    for part in parts:
        posterior = posterior.given(LINE[part], Y[part])
    for name, value in vars(PRIOR.given(LINE, Y)).items():
        np.testing.assert_allclose(vars(posterior)[name], value, rtol=1e-9)


def test_no_data_leave_the_prior():
    for name, value in vars(PRIOR.given(np.zeros((0, 2)), np.zeros(0))).items():
        np.testing.assert_allclose(value, vars(PRIOR)[name], rtol=1e-12)


def test_a_vague_prior_gives_least_squares():
    vague = NormalInverseGamma(np.zeros(2), 1e10 * np.eye(2), shape=1e-3, rate=1e-6)
    np.testing.assert_allclose(vague.given(LINE, Y).mean, np.linalg.lstsq(LINE, Y)[0], rtol=1e-6)


def test_exact_posterior_is_that_of_a_prior_centred_on_zero():
    """Its coefficients are independent, with the sd of params.yaml in units of the noise."""
    params = tiny.settings(blr={"coefficient_sd": 3.0, "noise_shape": 4.0, "noise_rate": 2.5}).blr
    wanted = NormalInverseGamma(np.zeros(2), 9.0 * np.eye(2), shape=4.0, rate=2.5).given(LINE, Y)
    for name, value in vars(blr.exact_posterior(params, X, Y)).items():
        np.testing.assert_allclose(value, vars(wanted)[name], rtol=1e-12)


def test_exact_posterior_of_a_parabola_has_a_third_regressor():
    params = tiny.settings(blr={"mean": "quadratic", "centre": 1.5}).blr
    prior = NormalInverseGamma(
        np.zeros(3), params.coefficient_sd**2 * np.eye(3), params.noise_shape, params.noise_rate
    )
    wanted = prior.given(np.column_stack([LINE, (X - 1.5) ** 2]), Y)
    for name, value in vars(blr.exact_posterior(params, X, Y)).items():
        np.testing.assert_allclose(value, vars(wanted)[name], rtol=1e-12)


def test_predictive_with_students_t_noise_is_scipys_mixture():
    params = tiny.settings(blr={"mean": "quadratic", "noise": "student_t", "centre": 2.0}).blr
    draws = {
        "intercept": np.array([0.0, 1.0]),
        "slope": np.array([1.0, 0.5]),
        "curvature": np.array([0.5, -0.5]),
        "noise": np.array([1.0, 2.0]),
        "degrees_of_freedom": np.array([3.0, 7.0]),
    }
    found = blr.predictive_cases(params, draws, np.array([4.0]), np.array([5.0]))  # means at 6 and 1
    parts = stats.t(3.0, 6.0, 1.0), stats.t(7.0, 1.0, 2.0)
    assert found["mean"] == pytest.approx([3.5])
    assert found["nll"] == pytest.approx([-math.log(sum(part.pdf(5.0) for part in parts) / 2)])
    assert found["cdf"] == pytest.approx([sum(part.cdf(5.0) for part in parts) / 2])


# --- posterior predictive checks -------------------------------------------------------------------------


def p_values_of(y, seed=0):
    """Of a line with normal noise, by its exact posterior."""
    x = np.linspace(0, 10, len(y))
    draws = draws_from(blr.exact_posterior(PARAMS, x, y), 400, seed)
    return criticism.p_values(blr.residuals(PARAMS, draws, x, y, 400, seed))


def simulated(seed, curvature=0.0, outliers=0):
    generator, x = np.random.default_rng(seed), np.linspace(0, 10, 60)
    noise = 0.5 * generator.standard_normal(60)
    noise[:outliers] *= 12
    return 1.0 + 0.5 * x + curvature * (x - 5) ** 2 + generator.permutation(noise)


def test_the_right_model_is_rarely_rejected():
    """Posterior predictive p-values are conservative: beyond 1% on either side in at most 2% of data sets."""
    found = [p for seed in range(150) for p in p_values_of(simulated(seed)).values()]
    extreme = np.mean([p < 0.01 or p > 0.99 for p in found])
    assert extreme < 0.02 + 5 * math.sqrt(0.02 / 150)  # quantities of one data set depend on each other
    assert 0.4 < np.mean(found) < 0.6


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_shows_in_the_curvature_and_outliers_in_kurtosis_and_largest_residual(seed):
    bent, spiked = p_values_of(simulated(seed, curvature=0.1)), p_values_of(simulated(seed, outliers=4))
    assert bent["p_curvature"] < 0.01
    assert bent["p_skewness"] > 0.01 and bent["p_kurtosis"] > 0.01
    assert spiked["p_kurtosis"] < 0.01 and spiked["p_largest_residual"] < 0.01
    assert p_values_of(-simulated(seed, curvature=0.1))["p_curvature"] > 0.99


def test_residuals_are_in_units_of_the_noise_and_replicated_ones_follow_the_model():
    params = tiny.settings(blr={"noise": "student_t"}).blr
    draws = {
        "intercept": np.array([1.0]),
        "slope": np.array([2.0]),
        "noise": np.array([0.5]),
        "degrees_of_freedom": np.array([5.0]),
    }
    x = np.array([0.0, 1.0])
    found = blr.residuals(params, draws, x, np.array([2.0, 2.5]), 20_000, seed=1)
    np.testing.assert_allclose(found["observed"], np.tile([2.0, -1.0], (20_000, 1)), rtol=1e-6)
    assert stats.kstest(found["replicated"].ravel(), stats.t(5.0).cdf).pvalue > 1e-4


# --- predictive ------------------------------------------------------------------------------------------


def draws_from(posterior, number, seed=0):
    generator = np.random.default_rng(seed)
    variance = posterior.rate / generator.gamma(posterior.shape, size=number)
    standard = (
        generator.standard_normal((number, len(posterior.mean))) @ np.linalg.cholesky(posterior.covariance).T
    )
    coefficients = (posterior.mean + np.sqrt(variance)[:, None] * standard).T
    names = ("intercept", "slope", "curvature")[: len(coefficients)]
    return dict(zip(names, coefficients, strict=True)) | {"noise": np.sqrt(variance)}


def test_predictive_of_exact_draws_is_students_t():
    posterior, draws = PRIOR.given(LINE, Y), draws_from(PRIOR.given(LINE, Y), 20_000)
    x, y = np.array([-2.0, 1.5, 1.5, 6.0]), np.array([0.5, 2.6, 4.0, 5.5])
    found = blr.predictive_cases(PARAMS, draws, x, y)
    for i, row in enumerate(np.column_stack([np.ones_like(x), x])):
        scale = math.sqrt(posterior.rate / posterior.shape * (1 + row @ posterior.covariance @ row))
        exact = stats.t(2 * posterior.shape, row @ posterior.mean, scale)
        line = draws["intercept"] + draws["slope"] * x[i]
        density = stats.norm.pdf(y[i], line, draws["noise"])
        cdf = stats.norm.cdf(y[i], line, draws["noise"])
        standard_errors = [np.std(v) / math.sqrt(20_000) for v in (line, density / density.mean(), cdf)]
        expected = exact.mean(), -exact.logpdf(y[i]), exact.cdf(y[i])
        for name, value, error in zip(("mean", "nll", "cdf"), expected, standard_errors, strict=True):
            assert abs(found[name][i] - value) < 5 * error, name


def test_predictive_of_three_draws_by_hand():
    draws = {
        "intercept": np.array([0.0, 0.0, 1.0]),
        "slope": np.array([1.0, 1.0, 2.0]),
        "noise": np.array([1.0, 1, 2]),
    }
    found = blr.predictive_cases(PARAMS, draws, np.array([3.0]), np.array([5.0]))  # lines at 3, 3 and 7
    bell = math.exp(-2) / math.sqrt(2 * math.pi), math.exp(-0.5) / (2 * math.sqrt(2 * math.pi))
    below = (1 + math.erf(2 / math.sqrt(2))) / 2, (1 + math.erf(-1 / math.sqrt(2))) / 2
    assert {name: value.tolist() for name, value in found.items()} == {
        "x": [3.0],
        "y": [5.0],
        "mean": pytest.approx([13 / 3]),
        "nll": pytest.approx([-math.log((2 * bell[0] + bell[1]) / 3)]),
        "cdf": pytest.approx([(2 * below[0] + below[1]) / 3]),
    }


def test_nll_of_a_point_far_from_all_draws_is_large_but_finite():
    draws = {"intercept": np.array([0.0, 0.1]), "slope": np.array([1.0, 1.0]), "noise": np.array([0.5, 0.4])}
    found = blr.predictive_cases(PARAMS, draws, np.array([0.0]), np.array([40.0]))
    logs = [-0.5 * ((40 - a) / s) ** 2 - math.log(s * math.sqrt(2 * math.pi)) for a, s in ((0.0, 0.5), (0.1, 0.4))]
    assert found["nll"] == pytest.approx([math.log(2) - logsumexp(logs)])


def test_coverage_of_the_true_distribution_is_90_percent():
    x = np.zeros(1500)
    draws = {"intercept": np.array([1.0]), "slope": np.array([0.0]), "noise": np.array([2.0])}
    y = np.random.default_rng(0).normal(1.0, 2.0, 1500)
    found = of_cases(blr.predictive_cases(PARAMS, draws, x, y))
    assert abs(found["coverage_90"] - 0.9) < 5 * math.sqrt(0.9 * 0.1 / 1500)
    assert abs(found["rmse"] - 2.0) < 5 * 2.0 / math.sqrt(2 * 1500)
    assert abs(found["nll"] - (0.5 + math.log(2 * math.sqrt(2 * math.pi)))) < 5 * math.sqrt(0.5 / 1500)
