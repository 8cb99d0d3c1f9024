//! What outlives the process: audit, history and the cache of the last seen state, in SQLite.
