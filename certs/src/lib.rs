//! A development public key infrastructure: authority, server, device and revocation list.
