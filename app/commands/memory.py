"""How the garbage collector is set while a command works."""

import gc

GENERATIONS = (50_000, 50, 50)


def settle_memory() -> None:
    """Let the collector pass over what lives as long as the program.

    Without it, full collections make one request in a hundred wait long, and
    an import goes again and again through what was loaded before it.
    """
    # not collected first: what loading left behind is not worth the wait
    gc.freeze()
    gc.set_threshold(*GENERATIONS)
    gc.enable()
