"""Memory that the C library keeps after it was freed."""

import ctypes
import sys


def malloc_trim() -> None:
    """Give free memory back to the system, where the C library is glibc; others see to it themselves.

    Batches of ever-changing sizes leave holes in the heap, into which later ones do not fit.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library and hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
