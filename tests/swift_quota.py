"""Says how much a bucket may hold: `python swift_quota.py FOLDER BUCKET BYTES`, "" for any amount.

S3 has no call for it; Swift takes it from whoever reaches the server of containers itself.
"""

from __future__ import annotations

import importlib
import sys

from swift_part import use_folder

folder, bucket, size_bytes = sys.argv[1:]
use_folder(folder)
ring = importlib.import_module("swift.common.ring").Ring(folder, ring_name="container")
direct_client = importlib.import_module("swift.common.direct_client")
timestamp = importlib.import_module("swift.common.utils").Timestamp.now().internal
part, nodes = ring.get_nodes("AUTH_test", bucket)
headers = {"X-Container-Meta-Quota-Bytes": size_bytes, "X-Timestamp": timestamp}
direct_client.direct_put_container(nodes[0], part, "AUTH_test", bucket, headers=headers)
