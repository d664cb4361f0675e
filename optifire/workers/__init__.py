"""Where attempts execute: inline, isolated, pooled; one contract, so a plugin cannot tell which."""
