"""One module a command, named as the command: parse, call the library, render."""
