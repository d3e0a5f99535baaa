"""Stage 3: the store is checked before anything is trained on it."""
