"""The plugin that a zygote rehearses with."""
