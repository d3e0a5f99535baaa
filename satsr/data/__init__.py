"""Data: cards, downloads, readers of what is out there, and the frame store that everything else reads."""
