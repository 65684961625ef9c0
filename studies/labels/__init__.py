"""How many labels does a digit classifier need? The experiment of the workshop."""

STUDY = "labels"
COMPARED = ("error_percent", "nll", "brier", "ece", "nll_temperature", "ece_temperature")  # between models, paired
