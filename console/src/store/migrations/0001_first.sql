-- Times are milliseconds since the epoch; documents are JSON.
-- Migrations only add: an older console must be able to work on a newer file.

CREATE TABLE runs (
    id            TEXT PRIMARY KEY,
    environment   TEXT NOT NULL,
    scope         TEXT NOT NULL,
    verb          TEXT NOT NULL,
    author        TEXT NOT NULL,
    host          TEXT,
    principal     TEXT,
    reason        TEXT,
    break_glass   TEXT,
    from_name     TEXT,
    to_name       TEXT,
    plan          TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    deadline_at   INTEGER NOT NULL,
    ticket        TEXT,
    outcome       TEXT,
    finished_at   INTEGER,
    watcher       INTEGER,
    heartbeat_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX runs_by_environment ON runs (environment, id DESC);
CREATE INDEX runs_unfinished ON runs (id) WHERE finished_at IS NULL;

CREATE TABLE judgements (
    environment   TEXT NOT NULL,
    revision      TEXT NOT NULL,
    verdict       TEXT NOT NULL,
    judgement     TEXT NOT NULL,
    at            INTEGER NOT NULL,
    PRIMARY KEY (environment, revision, verdict)
) STRICT;

CREATE TABLE seen (
    scope         TEXT NOT NULL,
    what          TEXT NOT NULL,
    at            INTEGER NOT NULL,
    document      TEXT NOT NULL,
    PRIMARY KEY (scope, what)
) STRICT;

CREATE TABLE locks (
    place         TEXT PRIMARY KEY,
    version       INTEGER NOT NULL,
    record        TEXT NOT NULL
) STRICT;
