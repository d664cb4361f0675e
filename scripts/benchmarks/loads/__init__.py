"""A plugin that uses what it is told to use."""
