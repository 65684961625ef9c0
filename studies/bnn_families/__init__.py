"""The inference families of the Bayesian neural network beside each other."""

STUDY = "bnn_families"
# out-of-distribution data that have a say in the choice
SURROGATES = ("gaussian_noise", "uniform_noise", "inverted_mnist", "sklearn_digits")
