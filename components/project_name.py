"""The project's name, for whoever needs nothing else of the settings."""

from typing import Final

PROJECT: Final = "clerk-hasura"
