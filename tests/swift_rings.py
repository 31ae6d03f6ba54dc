"""Says where Swift keeps what: `python swift_rings.py FOLDER object=6200 container=6201 …`.

All of it on one disk of this machine, each once.
"""

from __future__ import annotations

import importlib
import os
import sys

folder, *servers = sys.argv[1:]
for server in servers:
    kind, port = server.split("=")
    builder = importlib.import_module("swift.common.ring").RingBuilder(3, 1, 0)
    place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "d1"}
    builder.add_dev({**place, "weight": 1, "replication_ip": "127.0.0.1", "meta": ""})
    builder.rebalance()
    builder.get_ring().save(os.path.join(folder, f"{kind}.ring.gz"))
