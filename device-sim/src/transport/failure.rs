//! Why a link ended, in a few words that are the same each time, so that they can be counted.

use std::io;

/// Why a link cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The other side ended it without a reason.
    #[error("closed by the gateway")]
    Closed,
    /// The socket failed.
    #[error("{}", of_socket(.0))]
    Socket(#[from] io::Error),
    /// The other side does not read what is sent to it.
    #[error("the gateway stopped reading")]
    Unread,
}

fn of_socket(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            Failure::Closed.to_string()
        }
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        // Without the number that comes with it: the words are enough.
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_lowercase(),
    }
}
