-- Migrations only expand: the release before this one keeps serving on this schema, so that
-- a rollback becomes healthy. `position` is the order of commits and what cursors point at.
CREATE TABLE items (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    created_at_ms INTEGER NOT NULL
) STRICT;
