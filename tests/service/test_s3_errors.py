"""What errors of S3's libraries are told as: whole, short, and without what is secret."""

from __future__ import annotations

import pytest

from kotta_service.storage.s3_errors import words_of


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'Could not connect to the endpoint URL: "http://s3:1/b?list-type=2&X-Signature=1f"',
            'Could not connect to the endpoint URL: "http://s3:1/b"',
        ),
        (
            "Error performing GET http://s3:1/b?X-Signature=1f in 3 ms - HTTP error\n\nDebug: x",
            "Error performing GET http://s3:1/b in 3 ms - HTTP error",
        ),
        (
            f'Read timeout on endpoint URL: "http://s3:1/{"n" * 900}?X-Signature=1f": it is late',
            f'Read timeout on endpoint URL: "http://s3:1/{"n" * 107}...": it is late',
        ),
        (f'It says "{"more and " * 100}more".', f'It says "{"more and " * 32}..."'),
        ("", "ValueError"),
    ],
)
def test_words_of_the_libraries_stay_whole(said: str, told: str) -> None:
    assert words_of(ValueError(said)) == told
