"""Step 4a: what trained networks say: posterior predictives, bounds on likelihoods, pictures."""
