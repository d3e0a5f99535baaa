"""HTML pages: charts, panels, templates."""
