"""Programs that show how the stack is used."""
