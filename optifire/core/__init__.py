"""The pure domain: values and rules, without input or output."""
