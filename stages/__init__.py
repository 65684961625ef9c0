"""Pyro Demystified: four Bayesian models, from data to calibrated predictions, as one DVC pipeline."""
