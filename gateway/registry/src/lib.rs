//! What was declared: things, certificates, policies, rules and targets.
