"""Every picture, drawn from saved predictions and posteriors alone."""
