"""The variation of metrics between training runs: five seeds of every model."""
