//! From certificate to principal, from policy to permit.
