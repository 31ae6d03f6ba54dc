"""The command line that is being typed, as words without the shell's quotes."""

from __future__ import annotations


class Line:
    """What was typed.

    Attributes:
        words: those between `kotta` and the one at the cursor.
        prefix: what of the word at the cursor has been typed.
    """

    def __init__(
        self, words: list[str], prefix: str, head: str = "", quote: str | None = None
    ) -> None:
        self.words = words
        self.prefix = prefix
        self._head = head
        self._quote = quote

    @classmethod
    def of_words(cls, words: list[str]) -> Line:
        """Of a shell that gives the word at the cursor first, then those before it."""
        return cls(words[1:], words[0] if words else "")

    @classmethod
    def typed(cls, text: str, current: str) -> Line:
        """Of bash, which takes `a:b` and `a=b` for several words.

        Args:
            text: the line up to the cursor.
            current: the word that bash is about to replace, the end of the line.
        """
        words, start = split(text)
        prefix = words.pop() if start < len(text) else ""
        before = text[start : len(text) - len(current)] if text.endswith(current) else ""
        head = "".join(split(before)[0])
        if prefix.startswith("--") and "=" in prefix:
            name, _, prefix = prefix.partition("=")
            head = head[len(name) + 1 :]
        return cls(words[1:], prefix, head, current[:1] if current[:1] in ("'", '"') else "")

    def written(self, value: str) -> str:
        """A candidate as the shell is to put it in the place of what it replaces.

        For bash quoted as the word was begun; other shells quote by themselves.
        """
        value = value.removeprefix(self._head)
        if self._quote is None:
            return value
        if self._quote == "'":
            return value.replace("'", "'\\''")
        if self._quote == '"':
            return "".join(f"\\{char}" if char in '\\"$`' else char for char in value)
        return "".join(char if _is_plain(char) else f"\\{char}" for char in value)


def _is_plain(char: str) -> bool:
    return char.isalnum() or char in "_@%+=:,./-" or not char.isascii()


def split(text: str) -> tuple[list[str], int]:
    """The words of a line, and where the last of them begins: at its end if none has begun."""
    words: list[str] = []
    word, quote, start = "", "", -1
    is_escaped = False
    for place, char in enumerate(text):
        if char in " \t\n" and not quote and not is_escaped:
            if start >= 0:
                words.append(word)
            word, start = "", -1
            continue
        start = place if start < 0 else start
        if is_escaped:
            word, is_escaped = word + char, False
        elif char == "\\" and quote != "'":
            is_escaped = True
        elif quote:
            word, quote = (word, "") if char == quote else (word + char, quote)
        elif char in "'\"":
            quote = char
        else:
            word += char
    if start < 0:
        return words, len(text)
    return [*words, word], start
