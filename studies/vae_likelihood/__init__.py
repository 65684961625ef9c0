"""Likelihoods of variational autoencoders, comparable with the published ones."""

STUDY = "vae_likelihood"
EXACT, USUAL = 5000, 500  # importance samples of the published bound, and of the one in metrics/vae
