"""The state of a checkout: settings lent to a run, DVC's files and marks, and what a move or a kill left of them."""
