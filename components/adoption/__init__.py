"""Taking over what was made by hand: an engine's metadata and migrations as files, its address and Clerk's template as
the stack's configuration. The engine, its database and Clerk are read and never written."""
