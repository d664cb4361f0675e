"""Stock, oil and bond correlation with its sampling error."""
