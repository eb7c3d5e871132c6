"""vmi-review: an interface review that you can run."""
