"""Scripts in two rounds: what the first jobs made is what the second job reads."""

from __future__ import annotations

from kotta import Kotta, KottaJob

konn = Kotta()

first_round = []
for number in range(3):
    job = KottaJob(
        jobname=f"part {number}",
        executable=f"/bin/bash part.sh {number}",
        script_name="part.sh",
        script=f"#!/bin/bash\nseq {number}0 {number}9 > part{number}.txt\n",
        outputs=f"part{number}.txt",
        walltime=5,
    )
    job.submit(konn)
    first_round.append(job)

for job in first_round:
    assert job.wait() == "completed", job.STDERR

second = KottaJob(
    jobname="all parts",
    executable="/bin/bash merge.sh",
    script_name="merge.sh",
    script="#!/bin/bash\ncat part?.txt | awk '{ sum += $1 } END { print sum }' > total.txt\n",
    inputs=[job.outputs[0].s3_url for job in first_round],
    outputs="total.txt",
    walltime=5,
)
second.submit(konn)
assert second.wait() == "completed", second.STDERR
print("the total is", second.outputs[0].read().strip())
