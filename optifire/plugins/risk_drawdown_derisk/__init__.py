"""Exposure ladder on the drawdown from the high-water mark."""
