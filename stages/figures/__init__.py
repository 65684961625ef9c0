"""All figures, drawn from saved predictions and posteriors alone."""
