"""A comparison of inference families for the Bayesian neural network."""

STUDY = "bnn_families"
