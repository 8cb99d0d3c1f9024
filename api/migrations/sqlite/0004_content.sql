-- Content generation for locations: prompts with all their versions, locations, and the
-- queue of jobs with what happened to each.
CREATE TABLE prompts (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    search_query TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;

-- Every version that ever was, the present one included; jobs name theirs.
CREATE TABLE prompt_versions (
    prompt_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    search_query TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (prompt_id, version)
) STRICT;

CREATE TABLE locations (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    address TEXT,
    notes TEXT,
    version INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL
) STRICT;

-- `due_at_ms` is when a worker may take the job: the next attempt of a queued one, the end
-- of the lease of a running one, NULL of one that has ended. `claim` is who holds it.
CREATE TABLE jobs (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    location_id TEXT NOT NULL,
    prompt_id TEXT NOT NULL,
    prompt_version INTEGER NOT NULL,
    state TEXT NOT NULL,
    step TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER NOT NULL,
    due_at_ms INTEGER,
    claim TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    trace_id TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    started_at_ms INTEGER,
    finished_at_ms INTEGER,
    content_key TEXT,
    content_bytes INTEGER,
    content_sha256 TEXT,
    content_model TEXT,
    version INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX jobs_due ON jobs (due_at_ms, position) WHERE due_at_ms IS NOT NULL;
CREATE INDEX jobs_by_state ON jobs (state, position);

CREATE TABLE job_events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    step TEXT,
    attempt INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX job_events_by_job ON job_events (job_id, position);
