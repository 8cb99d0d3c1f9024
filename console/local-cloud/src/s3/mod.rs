//! S3: just what a lock needs of it, with conditional writes that are atomic.

mod buckets;
pub(crate) mod rest;

pub use buckets::{Buckets, Condition, Object};
