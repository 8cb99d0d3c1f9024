//! The configuration file: what it may say, and how a mistake in it is reported.
