"""The embedded scenes, drawn without a download."""
