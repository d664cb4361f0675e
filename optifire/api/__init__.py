"""The HTTP API: imported when a home switches it on, and by nothing before."""
