"""A page that signs in with clerk-js and shows its user's own row; `make web` serves it."""
