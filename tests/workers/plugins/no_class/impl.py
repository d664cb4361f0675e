"""Holds no plugin."""

VALUE = 1
