"""Step 4b for the model of a test."""

TEST_CASES = {"cases"}
TITLE = "toy"
RESULTS = {"toy.rmse": ("root mean squared error", 2)}
HEADLINES = {"rmse": "toy.rmse"}


def metrics(predictions):
    """Root mean squared error."""
    cases = predictions["cases"]
    return {"rmse": float(((cases["y"] - cases["mean"]) ** 2).mean() ** 0.5)}
