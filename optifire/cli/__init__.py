"""The front door: the program ``optifire``."""
