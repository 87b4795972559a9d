"""What `python -m components.proof` ends with."""

from typing import Final

PROVEN: Final = 0
FAILED: Final = 1
NOT_MADE: Final = 2
INTERRUPTED: Final = 130
