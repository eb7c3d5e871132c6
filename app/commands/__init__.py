"""What the commands of `vmi-review` do: one module a noun."""
