"""Step 3: the SVI loop, and for each model its data and its training objective."""
