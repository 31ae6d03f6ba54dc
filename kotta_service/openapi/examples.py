"""What requests and answers look like, for the document; a test holds them to their models."""

from __future__ import annotations

from typing import Any

JOB_ID = "3f1c2d4e-5a6b-4c7d-8e9f-0a1b2c3d4e5f"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = "2026-03-01T09:30:00Z"
LIFECYCLE: dict[str, Any] = {
    "bucket": "lab-files",
    "applied": False,
    "policy": {
        "Rules": [
            {
                "ID": "kotta-outputs",
                "Status": "Enabled",
                "Filter": {"Prefix": "kotta/outputs/"},
                "Transitions": [
                    {"Days": 30, "StorageClass": "STANDARD_IA"},
                    {"Days": 180, "StorageClass": "GLACIER"},
                ],
            }
        ]
    },
}
SIGNED_UPLOAD: dict[str, Any] = {
    "upload_id": "",
    "part_bytes": 1024,
    "first_part": 1,
    "urls": ["https://lab-files.s3.eu-west-1.amazonaws.com/kotta/uploads/…?X-Amz-Signature=…"],
    "headers": {"x-amz-checksum-sha256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="},
    "seconds": 900,
}

DESCRIPTION: dict[str, Any] = {
    "executable": "python3 fit.py data.csv",
    "jobname": "fit",
    "queue": "Test",
    "inputs": [f"kotta://uploads/{SHA256}/data.csv"],
    "outputs": ["model.json"],
    "walltime": 30,
    "cpus": 1,
    "memory": "2 GiB",
    "tags": ["paper"],
}
JOB: dict[str, Any] = {
    "id": JOB_ID,
    "name": "fit",
    "status": "pending",
    "reason": None,
    "queue": "Test",
    "jobtype": "script",
    "tags": ["paper"],
    "cpus": 1,
    "memory_mib": 2048,
    "walltime_seconds": 1800.0,
    "attempt": 0,
    "array": None,
    "array_index": None,
    "waits_for": 0,
    "submitted_at": _AT,
    "started_at": None,
    "ended_at": None,
    "exit_code": None,
    "signal": None,
    "error": "",
    "change": 41,
}
ENDED: dict[str, Any] = {
    **JOB,
    "status": "completed",
    "reason": "exit",
    "attempt": 1,
    "started_at": "2026-03-01T09:30:01Z",
    "ended_at": "2026-03-01T09:31:04Z",
    "exit_code": 0,
    "change": 45,
}
DETAIL: dict[str, Any] = {
    **ENDED,
    "description": DESCRIPTION,
    "user_email": "ada@example.org",
    "processing_seconds": 62.8,
    "cpu_seconds": 60.2,
    "peak_memory_bytes": 402653184,
    "outputs": [{"name": "model.json", "available": True, "size_bytes": 4, "sha256": SHA256}],
    "timeline": [
        {"status": "pending", "at": _AT, "attempt": 0},
        {"status": "completed", "at": "2026-03-01T09:31:04Z", "attempt": 1},
    ],
}
QUEUE: dict[str, Any] = {
    "name": "Test",
    "cpus": 2,
    "memory_mib": 4096,
    "cpus_used": 2,
    "memory_used_mib": 2048,
    "running": 2,
    "pending": 1,
    "pending_after": 0,
    "max_walltime_minutes": 1440,
}
USER: dict[str, Any] = {
    "name": "ada",
    "email": "ada@example.org",
    "role": "user",
    "disabled": False,
    "created_at": _AT,
    "limits": {"queued": 1000},
}
INVITATION: dict[str, Any] = {
    "user": USER,
    "url": "https://kotta.lab/enrol/7d0f3b",
    "expires_at": "2026-03-08T09:30:00Z",
}
TOKEN: dict[str, Any] = {
    "id": "0b7c5c1e-2f4d-4d57-9f0e-5b1f6d1c2a3b",
    "kind": "token",
    "label": "nightly",
    "scopes": ["read", "write"],
    "created_at": _AT,
    "last_used_at": None,
    "expires_at": "2026-06-01T00:00:00Z",
    "is_current": False,
}
SERVICE: dict[str, Any] = {
    "version": "2.0.0",
    "python_version": "3.11",
    "pid": 4711,
    "started_at": _AT,
    "data_directory": "/var/lib/kotta",
    "log_file": None,
    "address": "unix:/run/kotta/s.sock",
    "idle_stop_seconds": None,
    "pending_jobs": 1,
    "active_jobs": 2,
    "peak_memory_bytes": 104857600,
    "storage_problem": "",
}
USAGE: dict[str, Any] = {
    "id": JOB_ID,
    "attempt": 1,
    "cpus": 1,
    "memory_mib": 2048,
    "walltime_seconds": 1800.0,
    "samples": [
        {
            "seconds": 1.0,
            "at": "2026-03-01T09:30:02Z",
            "cpu_seconds": 0.9,
            "cores": 0.9,
            "memory_bytes": 402653184,
            "processes": 2,
            "disk_bytes": 4096,
            "stdout_bytes": 12,
            "stderr_bytes": 0,
        }
    ],
}
DEVICE: dict[str, Any] = {
    "device_code": "kotta_d_x7Yw0qQ",
    "user_code": "BCDF-GHJK",
    "verification_uri": "https://kotta.lab/login",
    "verification_uri_complete": "https://kotta.lab/login?code=BCDF-GHJK",
    "expires_in": 900,
    "interval": 5,
}
TOKENS: dict[str, Any] = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9.e30.x",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "kotta_r_x7Yw0qQ",
    "scope": "read write",
}
METADATA: dict[str, Any] = {
    "issuer": "https://kotta.lab",
    "device_authorization_endpoint": "https://kotta.lab/api/v2/login/device",
    "token_endpoint": "https://kotta.lab/api/v2/login/token",
    "revocation_endpoint": "https://kotta.lab/api/v2/login/revoke",
}
REPORT: dict[str, Any] = {
    "job_id": JOB_ID,
    "attempt": 1,
    "phase": "processing",
    "timeline": {"staging_inputs": 1772357400.5, "processing": 1772357401.0},
}
MODELS = {"JobDescription": DESCRIPTION, "Job": JOB, "JobDetail": DETAIL, "User": USER}

CHECK_REPORT = {
    "jobs": 1200,
    "outputs": 3600,
    "uploads": 12,
    "read_bytes": 73_400_320,
    "broken": 1,
    "leftovers": 0,
    "defects": [
        {"kind": "broken", "subject": JOB_ID, "words": "fit.csv has 12 bytes in place of 4096"}
    ],
}
