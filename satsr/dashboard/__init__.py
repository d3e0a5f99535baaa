"""ZenML's dashboard over this project's own runs: its server on this computer, as long as the command lasts."""
