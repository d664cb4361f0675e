"""The ledger: one writer, commits in the order they were given, readers at any time."""
