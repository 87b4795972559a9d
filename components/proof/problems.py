"""What keeps a proof from being made."""


class ProofError(Exception):
    """The proof cannot be made. The text says what is wrong and what to do; it holds no secret."""
