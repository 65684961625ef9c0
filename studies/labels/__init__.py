"""How many labels does a digit classifier need? The experiment of the workshop."""

STUDY = "labels"
