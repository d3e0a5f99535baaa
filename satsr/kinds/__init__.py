"""Kinds of network input: what each draws for training, reads, and scores."""
