"""Perception as plain functions and objects: value in, value out."""
