//! What an HTTP target is: where events go, with which headers and limits.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Most headers of an operator, as in AWS's HTTP action.
const HEADERS_MAX: usize = 100;
/// Made by the protocol or by the gateway; an operator's value would break a request or a promise.
const RESERVED: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "te", "idempotency-key"];

/// What an HTTP target is. [`Settings::new`] gives every limit its default.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// The target's name, for messages.
    pub name: String,
    /// Where events are posted to, `http://` or `https://`.
    pub url: String,
    /// Further headers. `Content-Type` replaces the event's own.
    pub headers: BTreeMap<String, String>,
    /// How long one request may take, from connecting to the answer's head. Default 3 s, as in AWS's HTTP action.
    pub timeout: Duration,
    /// Most requests at once, and most connections kept. Default 8.
    pub concurrency: usize,
    /// Most bytes of an answer that are read; the rest does not matter. Default 16,384.
    pub response_bytes_max: usize,
    /// A PEM file with the authorities that are trusted instead of the system's.
    pub authorities: Option<PathBuf>,
}

impl Settings {
    /// The target `name` that posts to `url`, with the default limits.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: url.into(),
            headers: BTreeMap::new(),
            timeout: Duration::from_millis(3_000),
            concurrency: 8,
            response_bytes_max: 16_384,
            authorities: None,
        }
    }

    pub(super) fn check(&self) -> Result<Checked, HttpError> {
        if self.timeout.is_zero() || self.timeout > Duration::from_secs(900) {
            return self.refuse("timeout", "it must be above 0 and at most 900 s");
        }
        if !(1..=1_000).contains(&self.concurrency) {
            return self.refuse("concurrency", "it must be from 1 to 1000");
        }
        Ok(Checked { url: self.checked_url()?, headers: self.checked_headers()? })
    }

    pub(super) fn refuse<T>(&self, setting: &'static str, why: impl Into<String>) -> Result<T, HttpError> {
        Err(HttpError { target: self.name.clone(), setting, why: why.into() })
    }

    fn checked_url(&self) -> Result<Url, HttpError> {
        // The text itself is not shown: it may hold a password.
        let url = match Url::parse(&self.url) {
            Ok(url) => url,
            Err(error) => return self.refuse("url", format!("{error}; write it as `https://host/path`")),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return self.refuse("url", format!("the scheme is `{}`; use `http` or `https`", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return self.refuse("url", "it names no host; write it as `https://host/path`");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return self
                .refuse("url", "it holds a user or a password; put them into the header `Authorization`");
        }
        Ok(url)
    }

    fn checked_headers(&self) -> Result<HeaderMap, HttpError> {
        if self.headers.len() > HEADERS_MAX {
            return self.refuse(
                "headers",
                format!("{} are too many; {HEADERS_MAX} are possible", self.headers.len()),
            );
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let Ok(header) = HeaderName::try_from(name) else {
                return self.refuse("headers", format!("`{name}` can't be the name of a header"));
            };
            if RESERVED.contains(&header.as_str()) || header.as_str().starts_with("ce-") {
                return self.refuse("headers", format!("`{name}` is set by the gateway; remove it"));
            }
            let Ok(mut value) = HeaderValue::try_from(value) else {
                return self.refuse("headers", format!("the value of `{name}` holds a control character"));
            };
            value.set_sensitive(true);
            headers.insert(header, value);
        }
        Ok(headers)
    }
}

// Headers carry credentials and a query may.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("name", &self.name)
            .field("headers", &self.headers.keys())
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// Settings that hold.
pub(super) struct Checked {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
}

/// An HTTP target that can't be: a setting is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("http target `{target}`: `{setting}` is wrong: {why}")]
pub struct HttpError {
    /// The target.
    pub target: String,
    /// The setting.
    pub setting: &'static str,
    /// What is wrong with it, and what to do.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_can_not_be_posted_to_is_refused_at_load() {
        let cases = [
            ("not a url", "relative URL"),
            ("ftp://example.com/", "the scheme is `ftp`"),
            ("http://", "empty host"),
            ("https://user:secret@example.com/", "holds a user or a password"),
            ("http://example.com:99999/", "invalid port"),
        ];
        for (url, expected) in cases {
            let error = Settings::new("a", url).check().err().expect(url).to_string();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(Settings::new("a", "https://[::1]:8443/x?y=z").check().is_ok());
    }

    #[test]
    fn headers_that_are_not_the_operators_to_set_are_refused() {
        for (name, value) in [
            ("Host", "a"),
            ("content-length", "1"),
            ("ce-id", "1"),
            ("Idempotency-Key", "1"),
            ("bad name", "1"),
            ("x", "a\nb"),
        ] {
            let mut settings = Settings::new("a", "http://example.com");
            settings.headers.insert(name.to_owned(), value.to_owned());
            assert!(settings.check().is_err(), "{name}");
        }
    }

    #[test]
    fn settings_do_not_show_credentials() {
        let mut settings = Settings::new("a", "http://example.com/?token=secret");
        settings.headers.insert("Authorization".to_owned(), "secret".to_owned());
        assert!(!format!("{settings:?}").contains("secret"));
    }
}
