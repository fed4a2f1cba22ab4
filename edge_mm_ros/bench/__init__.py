"""The scenarios behind `edge-mm bench`."""
