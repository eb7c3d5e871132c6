"""The calls of the interface, one function each, by the RFC's groups.

Each of the calls here is what the hypervisor's ROM does. Where a call is left
native, its instructions stand in its place and the functions here do not run.
"""
