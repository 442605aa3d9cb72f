//! As much of HTTP/1.1 as a server behind a target and a program behind the Lambda Runtime API need, read by hand.

use std::io::{self, BufRead};

/// A request or an answer.
#[derive(Debug)]
pub(crate) struct Message {
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// A header field; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }
}

/// The next message; none at the end of the connection.
///
/// # Errors
/// When the connection breaks off.
pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut first_line = String::new();
    if reader.read_line(&mut first_line)? == 0 {
        return Ok(None);
    }
    let mut message = Message { headers: Vec::new(), body: Vec::new() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        message.headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    let length = message.header("content-length").parse().unwrap_or(0);
    message.body.resize(length, 0);
    reader.read_exact(&mut message.body)?;
    Ok(Some(message))
}
