"""Criticise the linear regression on data that a straight line with normal noise does not explain.

Fits data/criticism.csv by two models, `criticism.before` and `criticism.after` of params.yaml, and checks by their
posterior predictive whether each could have produced the data. Writes predictions/criticism/blr/ (posterior draws,
data and residuals) and, computed from them alone, metrics/criticism/blr.json.
"""

from stages import command


def main() -> None:
    """Fit, replicate, check."""
    settings = command.opened(__doc__).settings

    from stages import artifacts, datasets, runtime
    from stages.evaluation import criticism
    from stages.inference import blr as inference
    from stages.inference.loop import svi
    from stages.predictive import blr

    seed, evaluate = settings.regression.seed, settings.evaluate.blr
    x, y = blr.read("train", "criticism")
    predictions = {"training": {"x": x, "y": y}}
    for name in ("before", "after"):
        device = runtime.prepare(settings, seed)
        data = [datasets.regression(split, device, name="criticism") for split in ("train", "validation")]
        params = settings.blr.model_copy(update=dict(getattr(settings.criticism, name)))
        problem = inference.of(params, *data)
        svi.fit(problem, params, f"criticism {name}")
        draws = blr.draw(problem.guide, params, evaluate.posterior_samples)
        predictions[f"{name}_posterior"] = draws
        predictions[f"{name}_checks"] = blr.residuals(params, draws, x, y, evaluate.replicates, seed)

    artifacts.write_groups("predictions/criticism/blr", predictions)
    metrics = {name: criticism.p_values(predictions[f"{name}_checks"]) for name in ("before", "after")}
    artifacts.write_json("metrics/criticism/blr.json", metrics)


if __name__ == "__main__":
    command.run(main)
