"""Every query and every rule, one module a noun; they flush, never commit."""
