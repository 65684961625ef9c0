"""Step 4a: predictions of trained models: posterior predictives, bounds on likelihoods, generated images."""
