"""Pure numbers: indicators on series of prices, without any input or output."""
