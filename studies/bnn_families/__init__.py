"""The inference families of the Bayesian neural network beside each other."""

STUDY = "bnn_families"
SURROGATES = ("gaussian_noise", "uniform_noise", "inverted_mnist", "sklearn_digits")  # have a say in the choice
