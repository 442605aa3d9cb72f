//! A durable ordered log with group commit, and the small state beside it.
