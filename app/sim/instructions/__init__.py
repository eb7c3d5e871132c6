"""The instructions, one function each, by family."""
