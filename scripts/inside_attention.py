"""x"""


def attention() -> None:
    """x"""
