-- What the model wrote, from when it is written until it is stored: a store that refuses it does not make it be paid for
-- twice. The release before this one leaves it alone.
ALTER TABLE jobs ADD COLUMN draft TEXT;
-- Jobs are removed when they have been over for long.
CREATE INDEX jobs_finished ON jobs (finished_at_ms) WHERE finished_at_ms IS NOT NULL;
