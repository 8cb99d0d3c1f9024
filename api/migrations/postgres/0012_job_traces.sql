-- The span of the request that made a job (w3.org/TR/trace-context, traceparent); null where no traces were sent.
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
