"""OptiFIRE runs many small trading jobs on market time, and records every one of them."""

__version__ = "0.1.0"
