"""What people see of finished runs and of the registry: summaries, lists, comparisons."""
