//! End-to-end tests; see the README. There is nothing to link against.
