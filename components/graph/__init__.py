"""The stack as a picture: how a signed-in user's identity gets to their rows, and who may do what with which table.

`inputs` are what the picture is made from, `chain`, `matrix` and `variables` are its parts as values, `markdown` (with
`mermaid`) and `page` draw them. All but `__main__` is pure.
"""
