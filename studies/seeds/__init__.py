"""How much a metric changes from one training to the next: five seeds of every model."""
