"""Choose which MNIST training labels the semi-supervised model may see, and drop all others."""

import numpy as np
import pandas as pd

from stages import artifacts, command, datasets


def drop_labels(labels: np.ndarray, kept: int, scheme: str, seed: int) -> pd.DataFrame:
    """Keep `kept` of the labels.

    Args:
        labels: class of each training image, shape (images,).
        kept: number of labels to keep.
        scheme: `balanced` keeps the same number per class, `random` draws uniformly from all images.
        seed: of the random choice.

    Returns:
        A table with columns index (of the training image) and label; dropped labels are missing.

    Raises:
        Failure: if there are fewer labels than should be kept.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    if scheme == "balanced":
        classes = np.unique(labels)
        per_class = kept // len(classes)
        chosen = np.concatenate([order[labels[order] == c][:per_class] for c in classes])
    else:
        chosen = order[:kept]
    if len(chosen) < kept:
        raise command.Failure(
            f"params.yaml: drop_labels.kept = {kept}: only {len(chosen)} labels can be kept of {len(labels)} "
            f"images ({scheme}): lower it or raise images.train"
        )
    table = pd.DataFrame({"index": np.arange(len(labels)), "label": pd.array(labels, dtype="Int64")})
    table.loc[~table["index"].isin(chosen), "label"] = pd.NA
    return table


def main() -> None:
    """Write data/labels/<seed>.csv."""
    call = command.opened(__doc__, seed=True)
    settings = call.settings
    labels = datasets.load("mnist", "train", settings.images).labels.numpy()
    table = drop_labels(labels, settings.drop_labels.kept, settings.drop_labels.scheme, call.seed)
    artifacts.write_csv(f"data/labels/{call.seed}.csv", table)


if __name__ == "__main__":
    command.run(main)
