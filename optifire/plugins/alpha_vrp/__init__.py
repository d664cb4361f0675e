"""Volatility risk premium: implied against realised and expected volatility."""
