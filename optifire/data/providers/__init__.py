"""Where recorded data comes from: the built-in data set and the files of the home."""
