"""What can be set for each paper: its configuration, apart from its recipe so that reading one needs no network."""
