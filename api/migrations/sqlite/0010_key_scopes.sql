-- What a key may do of what its role may; null where all of it, as for keys made before. The
-- release before this one does not know scopes: rolled back to, it goes by the role alone.
ALTER TABLE api_keys ADD COLUMN scopes TEXT;
