"""A plugin that publishes and reads frames."""
