"""The settings of each inference family, tuned by the same number of trials on validation digits."""

STUDY = "bnn_tuning"
