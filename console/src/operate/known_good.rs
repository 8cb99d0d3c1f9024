//! Which revision a rollback goes to.
