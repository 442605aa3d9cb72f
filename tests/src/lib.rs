//! The gateway as its users see it: real processes, real clients, real faults.
