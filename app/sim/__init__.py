"""The simulator: the semantics of the VMI calls, made executable."""
