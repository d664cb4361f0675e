"""Replay of the whole schedule over recorded data, and what it proves."""
