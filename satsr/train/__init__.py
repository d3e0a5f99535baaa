"""Stage 4: one loop, what it optimises, where it starts."""
