"""Finds plugins, reads and checks the configuration, and makes the catalog of what runs."""
