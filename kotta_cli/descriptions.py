"""Reads what `kotta submit` is given: a file, stdin, a script, or a description with a script."""
