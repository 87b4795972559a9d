"""Backups of both databases of a stack, checked before they are called good, and their restoration.

`postgres_tools` runs PostgreSQL's own programs where they can be had, `contents` says what a database holds and what
two of them differ in, `archive` is the file, `databases` makes and swaps databases, `making` and `restoring` are the
two commands.
"""
