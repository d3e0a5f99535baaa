"""Stage 5: measuring, the verdict, the report."""
