"""Step 4: posterior predictives and the numbers that say how good they are."""
