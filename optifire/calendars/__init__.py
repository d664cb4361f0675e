"""Where session tables come from: built-in data, refreshed files, and closures by hand."""
