//! The one executor of every mutation: plan → read-only? → guard → confirm → lock → audit → run → watch.
