"""How results look: on a terminal through rich, in a pipe as plain complete values.

Nothing here asks the service anything. Modules that need rich import it inside functions.
"""
