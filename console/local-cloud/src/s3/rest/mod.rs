//! S3's REST protocol: what a method, a path and headers ask of the buckets.

pub(crate) mod chunked;
