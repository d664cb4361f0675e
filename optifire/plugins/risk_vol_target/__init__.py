"""Exposure multiplier that aims at a constant volatility."""
