"""How a further processor comes to run: RFC 2.9, SDM vol. 3A, 8.4.

It waits for an INIT message, then for a STARTUP message, then it runs.
"""

from typing import Final

RUNNING: Final = 0
WAIT_FOR_INIT: Final = 1
WAIT_FOR_STARTUP: Final = 2
