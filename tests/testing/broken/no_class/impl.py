"""Has no plugin class."""

VALUE = 1
