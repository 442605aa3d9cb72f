//! Figures of a run while it goes on, for Prometheus: `--prometheus HOST:PORT` answers at `/metrics`.

mod exposition;
mod server;

pub(crate) use server::Server;
