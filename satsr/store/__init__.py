"""The frame store."""
