"""What is believed of an exit record that the account of a job wrote, rather than a runner of ours.

It may say how its own job ended, whatever is true, and name what that job declared; what it names
is looked at once more when it is taken over.
"""

from __future__ import annotations

from kotta.models import JobDescription
from kotta_service.messages import ExitRecord, result_files
from kotta_service.settings import MIB
from kotta_service.storage.refusing import without


def believed(record: ExitRecord, description: JobDescription, most_mib: int) -> ExitRecord:
    """The record with the outputs that its job declared, and with no others.

    Args:
        most_mib: what the outputs of a job may hold together.
    """
    told = {output.name: output for output in record.outputs}
    names = description.declared_outputs
    if description.function is not None:
        names += result_files(names)
    outputs = [told[name] for name in names if name in told]
    result = record.result
    if result is not None and result.file not in (None, *(each.name for each in outputs)):
        result = None
    return _bounded(record.model_copy(update={"outputs": outputs, "result": result}), most_mib)


def _bounded(record: ExitRecord, most_mib: int) -> ExitRecord:
    left = most_mib * MIB
    beyond = {}
    for output in record.outputs:
        size = (output.size_bytes or 0) if output.available else 0
        if size > left:
            beyond[output.name] = f"was not kept: the outputs of a job may hold {most_mib} MiB"
        else:
            left -= size
    return without(record, beyond, "limit")
