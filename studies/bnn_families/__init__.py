"""A comparison of inference families for the Bayesian neural network."""

STUDY = "bnn_families"
# out-of-distribution data that are used for the choice
SURROGATES = ("gaussian_noise", "uniform_noise", "inverted_mnist", "sklearn_digits")
