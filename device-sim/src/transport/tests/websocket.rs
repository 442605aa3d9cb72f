//! WebSocket against a server made of a few lines. Real servers are met in the end-to-end tests.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::ServerName;
use sha1::{Digest, Sha1};

use super::*;

fn endpoint(listener: &TcpListener) -> Endpoint {
    let name = ServerName::try_from("localhost").unwrap();
    Endpoint::new(listener.local_addr().unwrap(), Transport::WebSocket, name)
}

/// Reads the request, checks it, and agrees.
fn agree(listener: &TcpListener) -> TcpStream {
    let (mut socket, address) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /mqtt HTTP/1.1\r\nHost: localhost:"), "{request} from {address}");
    assert!(request.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"), "{request}");
    let key = request.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
    let accept = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = STANDARD.encode(Sha1::digest(accept));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    );
    socket.write_all(answer.as_bytes()).unwrap();
    socket
}

/// One short frame of a client.
fn frame(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut header = [0; 6];
    socket.read_exact(&mut header).unwrap();
    let mut payload = vec![0; usize::from(header[1] & 0x7F)];
    socket.read_exact(&mut payload).unwrap();
    payload.iter_mut().zip(header[2..].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    (header[0], payload)
}

#[test]
fn frames_carry_bytes_pings_are_answered_and_a_close_is_said_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = endpoint(&listener);
    let server = std::thread::spawn(move || {
        let mut socket = agree(&listener);
        assert_eq!(frame(&mut socket), (0x82, b"hello".to_vec()));
        socket.write_all(b"\x02\x03abc\x89\x02hi\x80\x02de").unwrap();
        assert_eq!(frame(&mut socket), (0x8A, b"hi".to_vec()));
        socket.write_all(b"\x88\x02\x03\xE8").unwrap();
        assert_eq!(frame(&mut socket), (0x88, b"\x03\xE8".to_vec()));
    });
    let mut driven = Driven::open(&endpoint).unwrap();
    driven.until(|driven| driven.link.is_open()).unwrap();
    driven.send(b"hello").unwrap();
    let ended = driven.until(|_| false).unwrap_err();
    assert_eq!(ended.to_string(), "closed by the gateway");
    assert_eq!(driven.received, b"abcde");
    server.join().unwrap();
}

#[test]
fn a_server_that_is_no_websocket_server_is_told_apart() {
    for (answer, expected) in [
        (&b"HTTP/1.1 404 Not Found\r\n\r\n"[..], "the gateway refused WebSocket with status 404"),
        (b"\x20\x02\x00\x00 something else\r\n\r\n", "WebSocket: the gateway does not answer in HTTP"),
        (b"", "closed by the gateway"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = endpoint(&listener);
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 64];
            socket.read_exact(&mut request).unwrap();
            socket.write_all(answer).unwrap();
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            // Until the client has read it and gone.
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let ended = Driven::open(&endpoint).and_then(|mut driven| driven.until(|_| false));
        assert_eq!(ended.unwrap_err().to_string(), expected);
        server.join().unwrap();
    }
}
