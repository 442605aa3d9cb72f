//! Only programs on this machine may ask, and pages that they serve themselves: a page of somebody else that a browser here shows must not,
//! even where its owner lets its name point to this machine (DNS rebinding).

use super::answer::Refused;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

/// Refuses what comes from elsewhere.
pub(super) async fn check(request: Request, next: Next) -> Result<Response, Refused> {
    match stranger(request.headers()) {
        None => Ok(next.run(request).await),
        Some(reason) => Err(Refused::new(StatusCode::FORBIDDEN, reason)),
    }
}

fn stranger(headers: &HeaderMap) -> Option<String> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !crate::flow::is_fixed(host) {
        return Some(format!(
            "`{host}` is a name that somebody else may own; ask an IP address or `localhost`"
        ));
    }
    let own = format!("http://{host}");
    headers.get_all(header::ORIGIN).iter().find_map(|origin| {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        (!origin.eq_ignore_ascii_case(&own))
            .then(|| format!("pages of the origin `{origin}` may not ask this"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pages_of_others_are_strangers() {
        for (host, origin, allowed) in [
            (Some("127.0.0.1:8080"), None, true),
            (Some("[::1]:8080"), None, true),
            (Some("localhost:8080"), Some("http://localhost:8080"), true),
            (Some("localhost:8080"), Some("http://localhost:3000"), false),
            (Some("127.0.0.1:8080"), Some("https://evil.example"), false),
            (Some("127.0.0.1:8080"), Some("null"), false),
            (Some("rebound.evil.example:8080"), None, false),
            (Some("rebound.evil.example:8080"), Some("http://rebound.evil.example:8080"), false),
            (None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            host.into_iter().for_each(|host| drop(headers.insert(header::HOST, host.parse().unwrap())));
            origin
                .into_iter()
                .for_each(|origin| drop(headers.insert(header::ORIGIN, origin.parse().unwrap())));
            assert_eq!(stranger(&headers).is_none(), allowed, "{host:?} {origin:?}");
        }
    }
}
