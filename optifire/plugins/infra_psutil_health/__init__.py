"""Health of the service and its machine against fixed limits."""
