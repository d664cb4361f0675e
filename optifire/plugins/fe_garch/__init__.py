"""GARCH(1,1) forecast of index volatility."""
