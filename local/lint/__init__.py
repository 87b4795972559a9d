"""`make lint`: every check of the sources that runs nothing of the project."""
