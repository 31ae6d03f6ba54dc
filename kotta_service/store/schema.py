"""The tables. Times are seconds since 1970 (UTC) as floats; sizes are bytes unless named."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = "0006"
"""The newest revision in `migrations/versions`, and so what a fresh database is stamped with."""

metadata = MetaData()

counters = Table(
    "counters",
    metadata,
    # "job" numbers jobs in the order of submission, "change" numbers the change feed. A row here is
    # locked until its transaction ends, so no number becomes visible before a smaller one.
    Column("name", String(16), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("owner", String(255), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", String(16)),
    Column("queue", Text, nullable=False),
    Column("jobtype", String(16), nullable=False),
    Column("cpus", Integer, nullable=False),
    Column("memory_mib", BigInteger, nullable=False),
    Column("walltime_seconds", Float, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    # the array it is one of, and where in it
    Column("array", String(36)),
    Column("array_index", Integer),
    # how many jobs have to complete before it may start; whether others wait for it in that way
    Column("waits_for", Integer, nullable=False),
    Column("is_needed", Boolean, nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("submitted_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("cancel_requested_at", Float),
    # when its next attempt was given to an engine that has a queue of its own, while it is pending
    Column("handed_over_at", Float),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("staging_inputs_seconds", Float),
    Column("processing_seconds", Float),
    Column("staging_outputs_seconds", Float),
    Column("cpu_seconds", Float),
    Column("peak_memory_bytes", BigInteger),
    Column("error", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    # last, because these can be long and most statements do not read them
    Column("description", JSON, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Index("jobs_by_owner", "owner", "number"),
    Index("jobs_by_owner_status", "owner", "status", "number"),
    Index("jobs_by_owner_name", "owner", "name", "number"),
    Index("jobs_by_owner_queue", "owner", "queue", "number"),
    Index("jobs_by_owner_change", "owner", "change"),
    Index("jobs_by_owner_array", "owner", "array", "number"),
    Index("jobs_by_status", "status", "queue", "handed_over_at", "number"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("change", BigInteger, primary_key=True, autoincrement=False),
    Column("job_number", BigInteger, ForeignKey("jobs.number"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("at", Float, nullable=False),
    Column("attempt", Integer, nullable=False),
    Index("transitions_by_job", "job_number", "change"),
)

dependencies = Table(
    "dependencies",
    metadata,
    # of jobs that were open when another was submitted that needs them
    Column("needed_number", BigInteger, ForeignKey("jobs.number"), primary_key=True),
    Column("job_number", BigInteger, ForeignKey("jobs.number"), primary_key=True),
    Index("dependencies_by_job", "job_number"),
)

tags = Table(
    "tags",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("tag", String(256), primary_key=True),
    Column("job_number", BigInteger, ForeignKey("jobs.number"), primary_key=True),
)

outputs = Table(
    "outputs",
    metadata,
    Column("job_number", BigInteger, ForeignKey("jobs.number"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("size_bytes", BigInteger),
    Column("sha256", String(64)),
)

submissions = Table(
    "submissions",
    metadata,
    # jobs of one submission are numbered without a gap, so these two name them all
    Column("owner", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("first_number", BigInteger, nullable=False),
    Column("job_count", Integer, nullable=False),
)

users = Table(
    "users",
    metadata,
    # what jobs, files and logins belong to; a name is never given to somebody else
    Column("name", String(64), primary_key=True),
    Column("email", String(320), nullable=False),
    Column("role", String(16), nullable=False),
    Column("is_disabled", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    # argon2, None for who has never chosen one or logs in elsewhere
    Column("password", String(255)),
    # what differs from the limits that the settings give to everybody
    Column("limits", JSON(none_as_null=True)),
    Index("users_by_email", "email", unique=True),
)

identities = Table(
    "identities",
    metadata,
    # who a user is at a provider of identities: its issuer, and the name it knows them by
    Column("provider", String(255), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    # a link by which a user chooses a password, once; only its digest is kept
    Column("secret_sha256", String(64), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False),
    Column("expires_at", Float, nullable=False),
)

logins = Table(
    "logins",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user", String(64), ForeignKey("users.name"), nullable=False),
    # "login": a family of refresh tokens; "token": one secret that a script keeps
    Column("kind", String(16), nullable=False),
    Column("label", String(255), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float),
    Column("expires_at", Float),
    Column("revoked_at", Float),
    Column("secret_sha256", String(64)),
    Index("logins_by_user", "user", "created_at"),
    Index("logins_by_secret", "secret_sha256", unique=True),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("secret_sha256", String(64), primary_key=True),
    Column("login", String(36), ForeignKey("logins.id"), nullable=False),
    Column("expires_at", Float, nullable=False),
    # digest of the one that took its place, and when
    Column("replaced_by", String(64)),
    Column("replaced_at", Float),
    Index("refresh_tokens_by_login", "login"),
)

device_grants = Table(
    "device_grants",
    metadata,
    Column("device_sha256", String(64), primary_key=True),
    Column("user_code", String(16), nullable=False),
    Column("label", String(255), nullable=False),
    # the address it was asked from
    Column("client", String(64), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("interval_seconds", Integer, nullable=False),
    Column("polled_at", Float),
    # "pending", "approved", "denied"; a grant that was taken is deleted
    Column("status", String(16), nullable=False),
    Column("user", String(64), ForeignKey("users.name")),
    Index("device_grants_by_code", "user_code", unique=True),
    Index("device_grants_by_client", "client", "expires_at"),
)

failures = Table(
    "failures",
    metadata,
    # wrong passwords and codes, by what they were for and from where; kept while they count
    Column("key", String(255), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Float, nullable=False),
)

shares = Table(
    "shares",
    metadata,
    # who beside its owner may see a job: a user's name, or "*" for everybody
    Column("job_number", BigInteger, ForeignKey("jobs.number"), primary_key=True),
    Column("reader", String(64), primary_key=True),
    Index("shares_by_reader", "reader", "job_number"),
)

shared_inputs = Table(
    "shared_inputs",
    metadata,
    # uploads that shared jobs have as inputs: who may see such a job may submit it again
    Column("sha256", String(64), primary_key=True),
    Column("job_number", BigInteger, ForeignKey("jobs.number"), primary_key=True),
    Index("shared_inputs_by_job", "job_number"),
)

holdings = Table(
    "holdings",
    metadata,
    # how much of the storage is whose: uploads and kept outputs, counted as they come
    Column("owner", String(255), primary_key=True),
    Column("storage_bytes", BigInteger, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("uploaded_at", Float, nullable=False),
)

named_uploads = Table(
    "named_uploads",
    metadata,
    # what the first clients uploaded: which contents a name of theirs stands for now
    Column("owner", String(255), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("uploaded_at", Float, nullable=False),
)

used_upload_urls = Table(
    "used_upload_urls",
    metadata,
    # each takes one file; kept until it would have expired
    Column("signature", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("expires_at", Float, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    # what one of the processes on a database does for all of them: which one, and until when
    Column("name", String(64), primary_key=True),
    Column("holder", String(36), nullable=False),
    Column("expires_at", Float, nullable=False),
)
