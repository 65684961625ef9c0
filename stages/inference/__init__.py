"""Step 3: the one SVI loop, and for each model the data and the objective it learns from."""
