//! The Logs screen, key by key.
