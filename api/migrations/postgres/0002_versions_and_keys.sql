-- What PUT, PATCH, Idempotency-Key and API keys need. The release before this one inserts
-- items without `version` and `updated_at_ms`, so both must do without it.
ALTER TABLE items ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE items ADD COLUMN updated_at_ms BIGINT;

CREATE TABLE idempotency_keys (
    principal TEXT NOT NULL,
    key TEXT NOT NULL,
    body_sha256 BYTEA NOT NULL,
    answer TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_ms);

CREATE TABLE api_keys (
    id UUID NOT NULL PRIMARY KEY,
    prefix TEXT NOT NULL UNIQUE,
    secret_sha256 BYTEA NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    last_used_at_ms BIGINT,
    revoked_at_ms BIGINT
);
