"""Attacks on the service: what a hostile stranger would send."""
