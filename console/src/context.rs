//! What every command and the screen start from: configuration, store, platforms, executor.
