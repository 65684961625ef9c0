"""What more data settle: the mutual information of test digits against the number of training digits."""

STUDY = "more_data"
