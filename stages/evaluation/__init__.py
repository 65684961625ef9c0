"""Step 4b: metrics computed from saved predictions."""
