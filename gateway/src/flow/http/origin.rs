//! From which pages a browser may speak to the gateway. A browser that holds a client certificate shows it for whatever page asks, so a page of
//! somebody else must not get far. Programs that are no browsers send no such header, or name the gateway itself.

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

/// A page that is not allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("pages of the origin `{0}` may not speak to the gateway; `listener.origins` lists those that may")]
pub(super) struct Stranger(String);

/// Whether the page that caused the request, if one did, is the gateway's own or listed.
pub(super) fn check(headers: &HeaderMap, listed: &[String]) -> Result<(), Stranger> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    for origin in headers.get_all(ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let is_listed = listed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(&origin));
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        let is_own = authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host));
        if !is_listed && !is_own {
            return Err(Stranger(origin.into_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_and_listed_pages_speak_through_a_browser() {
        let listed = ["https://console.example.com".to_string()];
        let any = ["*".to_string()];
        let cases: &[(Option<&str>, &[String], bool)] = &[
            (None, &[], true),
            (Some("https://gateway.example.com:8443"), &[], true),
            (Some("https://GATEWAY.example.com:8443"), &[], true),
            (Some("https://gateway.example.com"), &[], false),
            (Some("https://gateway.example.com:8443.evil.example"), &[], false),
            (Some("https://evil.example"), &listed, false),
            (Some("https://console.example.com"), &listed, true),
            (Some("null"), &listed, false),
            (Some(""), &[], false),
            (Some("https://evil.example"), &any, true),
        ];
        for (origin, listed, allowed) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "gateway.example.com:8443".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(check(&headers, listed).is_ok(), *allowed, "{origin:?}");
        }
    }
}
