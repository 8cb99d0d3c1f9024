//! Cost: price book, bill of resources, estimate.
