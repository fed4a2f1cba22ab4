"""Thin lifecycle nodes: they wire topics to pipelines."""
