"""Recorded market data, point in time: built-in series, user files and the feed of the plugins."""
