"""The `edge-mm` command."""
