"""A function over an input file, which lies in its working directory, and a file that it makes."""

from __future__ import annotations

from pathlib import Path

from kotta import Kotta, kottajob

konn = Kotta()
TEXT = Path(__file__).with_name("shakespeare.txt")


@kottajob(konn, "Test", 5, block=False)
def count_words(name: str) -> int:
    """Counts a file's words, and writes the ten most frequent to `frequent.txt`."""
    import collections

    with open(name) as file:
        words = file.read().lower().split()
    with open("frequent.txt", "w") as file:
        for word, times in collections.Counter(words).most_common(10):
            print(times, word, file=file)
    return len(words)


job = count_words(TEXT.name, inputs=TEXT, outputs="frequent.txt")
print(job.result(), "words; the most frequent:")
print(job.outputs[0].read().splitlines()[0])
