"""Stage 2: raw files become the frame store."""
