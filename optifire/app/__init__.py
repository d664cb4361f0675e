"""Where the parts are joined: the service, one run by hand, and what both are built from."""
