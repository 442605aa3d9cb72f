//! A server of somebody else's behind an HTTP target, in whatever mood the schedule puts it.

use crate::http;
use crate::identity::Arrival;
use crate::schedule::Mood;
use end_to_end::wait;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(3);

/// A server that listens, or not.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// None when the schedule is over.
    mood: Mutex<Option<Mood>>,
    poison: Option<u64>,
    /// What was answered 200, in that order.
    taken: Mutex<Vec<Arrival>>,
    /// Requests that are not of this suite, or can't be read.
    strange: Mutex<Vec<String>>,
}

impl Shared {
    fn mood(&self) -> Option<Mood> {
        *self.mood.lock().expect("nobody panics with the mood in hand")
    }
}

impl Server {
    /// Starts one that is well.
    ///
    /// # Errors
    /// When there is no port.
    pub(crate) fn start(poison: Option<u64>) -> anyhow::Result<Self> {
        let address = end_to_end::free_port()?;
        let listener = TcpListener::bind(address)?;
        let (mood, taken, strange) = (Mutex::new(Some(Mood::Well)), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { mood, poison, taken, strange });
        std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || listen(listener, address, &shared)
        });
        Ok(Self { address, shared })
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().expect("nobody panics with the mood in hand") = Some(mood);
    }

    /// What it has taken so far.
    pub(crate) fn taken(&self) -> Vec<Arrival> {
        self.shared.taken.lock().expect("nobody panics while noting").clone()
    }

    /// What it did not understand.
    pub(crate) fn strange(&self) -> Vec<String> {
        self.shared.strange.lock().expect("nobody panics while noting").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.shared.mood.lock().expect("nobody panics with the mood in hand") = None;
    }
}

fn listen(listener: TcpListener, address: SocketAddr, shared: &Arc<Shared>) {
    let mut listener = Some(listener);
    while let Some(mood) = shared.mood() {
        if mood == Mood::Refuses {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(address).ok();
        }
        let accepted = listener.as_ref().map(|listener| {
            listener.set_nonblocking(true)?;
            listener.accept()
        });
        match accepted {
            Some(Ok((stream, _))) => {
                let shared = Arc::clone(shared);
                std::thread::spawn(move || {
                    // A client that goes away is nothing strange.
                    let _ = serve(&stream, &shared);
                });
            }
            _ => wait::let_pass(PAUSE),
        }
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        // Closed with bytes unread, a connection is reset.
        stream.peek(&mut [0])?;
        if matches!(shared.mood(), None | Some(Mood::Resets | Mood::Refuses)) {
            return Ok(());
        }
        let Some(request) = http::read(&mut reader)? else { return Ok(()) };
        let Some(mood) = shared.mood() else { return Ok(()) };
        let Some(answer) = answer(&request, mood, shared) else { return Ok(()) };
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {answer}content-length: 0\r\n\r\n")?;
    }
}

/// Status and headers; none closes the connection.
fn answer(request: &http::Message, mood: Mood, shared: &Shared) -> Option<String> {
    match mood {
        Mood::Refuses | Mood::Resets => return None,
        Mood::Status(status) => return Some(format!("{status} Because\r\n")),
        Mood::Throttles => return Some("429 Later\r\nretry-after: 1\r\n".to_string()),
        Mood::Slow(ms) => wait::let_pass(Duration::from_millis(ms)),
        Mood::Silent => {
            while shared.mood() == Some(Mood::Silent) {
                wait::let_pass(PAUSE * 10);
            }
            return None;
        }
        Mood::Well => {}
    }
    let read = serde_json::from_slice(&request.body).map_err(anyhow::Error::from);
    match read.and_then(|data| Arrival::new(request.header("idempotency-key"), &data)) {
        Ok(arrival) if shared.poison.is_some_and(|poison| arrival.identity.number % poison == 1) => {
            Some("400 Never\r\n".to_string())
        }
        Ok(arrival) => {
            shared.taken.lock().expect("nobody panics while noting").push(arrival);
            Some("200 OK\r\n".to_string())
        }
        Err(error) => {
            shared.strange.lock().expect("nobody panics while noting").push(format!("{error:#}"));
            Some("400 What\r\n".to_string())
        }
    }
}
