"""The bench: OptiFIRE beside a floor and a peer on the same machine in the same minutes."""
