"""Reads an output's bytes in order, for who does not want a file: verified at the end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from kotta.api import Api
from kotta.downloads import TRIES
from kotta.errors import ConnectionFailedError, NotFoundError, TransferError
from kotta.models import Output


def read(api: Api, job_id: str, output: Output) -> Iterator[bytes]:
    """An output's bytes as they come; after a cut it goes on where it was.

    Raises:
        NotFoundError: the job did not make it.
        TransferError: after the last byte, if they were not the right ones.
        ConnectionFailedError: it was cut again and again.
    """
    if not output.available:
        raise NotFoundError(
            f"job {job_id} has not made `{output.name}`", hint=f"kotta why {job_id}"
        )
    digest, have, size = hashlib.sha256(), 0, output.size_bytes or 0
    cuts = 0
    while have < size:
        before = have
        try:
            for chunk in _rest(api, job_id, output, have):
                have += len(chunk)
                if have > size:
                    raise _wrong(output)
                digest.update(chunk)
                yield chunk
            if have < size:
                raise ConnectionFailedError(f"{output.name}: {have} of {size} bytes arrived")
        except ConnectionFailedError:
            cuts = cuts + 1 if have == before else 0
            if cuts == TRIES:
                raise
    if digest.hexdigest() != output.sha256:
        raise _wrong(output)


def _rest(api: Api, job_id: str, output: Output, have: int) -> Iterator[bytes]:
    with api.output(job_id, output.name, have, f'"{output.sha256}"') as (begins, chunks):
        to_skip = have - begins
        for chunk in chunks:
            # a service that ignores ranges sends once more what we had
            yield chunk[to_skip:]
            to_skip = max(0, to_skip - len(chunk))


def _wrong(output: Output) -> TransferError:
    return TransferError(
        f"{output.name} did not arrive as the service keeps it: what was written is wrong",
        hint="throw it away, and repeat the command",
    )
