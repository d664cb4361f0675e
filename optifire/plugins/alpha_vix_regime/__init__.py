"""Volatility regime from the closes of the VIX."""
