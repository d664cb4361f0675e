"""Shannon, permutation and sample entropy of returns."""
