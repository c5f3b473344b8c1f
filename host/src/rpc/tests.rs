//! The protocol as its clients see it.
