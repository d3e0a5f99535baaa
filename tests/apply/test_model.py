"""A model takes and gives native values in whatever array people have, and bad files get a sentence."""
