//! Sockets, TLS, handshake limits and certificate reload.
