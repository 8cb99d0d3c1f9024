//! Logs: source → merge → store → filter and search. Knows nothing of the screen.
