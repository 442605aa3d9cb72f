//! Where events go: queue, stream, function, http.
