//! From which pages a browser may speak to the gateway. A browser that holds a client certificate shows it for whatever page asks, so a page of
//! somebody else must not get far. Programs that are no browsers send no such header, or name the gateway itself.

use api::is_fixed;
use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

/// A page that is not allowed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("pages of the origin `{0}` may not speak to the gateway; `listener.origins` lists those that may")]
pub(super) struct Stranger(String);

/// Whether the page that caused the request, if one did, is the gateway's own or listed.
///
/// With TLS the gateway's own pages came by `https` from the host that was asked: the certificate shows that the name is ours. Without TLS
/// nothing shows it, and whoever owns a name can let it point here once his page is loaded (DNS rebinding); only a page of an address, or of
/// `localhost`, is our own then.
pub(super) fn check(headers: &HeaderMap, is_tls: bool, listed: &[String]) -> Result<(), Stranger> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if is_tls { "https" } else { "http" };
    let may_be_own = is_tls || is_fixed(host);
    for origin in headers.get_all(ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let is_listed = listed.iter().any(|one| one == "*" || one.eq_ignore_ascii_case(&origin));
        let is_own = origin.split_once("://").is_some_and(|(its_scheme, authority)| {
            its_scheme.eq_ignore_ascii_case(scheme) && authority.eq_ignore_ascii_case(host)
        });
        if !(is_listed || may_be_own && is_own) {
            return Err(Stranger(origin.into_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(is_tls: bool, host: &str, origin: Option<&str>, listed: &[String]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        check(&headers, is_tls, listed).is_ok()
    }

    #[test]
    fn only_own_and_listed_pages_speak_through_a_browser() {
        let listed = ["https://console.example.com".to_string()];
        let any = ["*".to_string()];
        let cases: &[(Option<&str>, &[String], bool)] = &[
            (None, &[], true),
            (Some("https://gateway.example.com:8443"), &[], true),
            (Some("https://GATEWAY.example.com:8443"), &[], true),
            (Some("http://gateway.example.com:8443"), &[], false),
            (Some("https://gateway.example.com"), &[], false),
            (Some("https://gateway.example.com:8443.evil.example"), &[], false),
            (Some("https://evil.example"), &listed, false),
            (Some("https://console.example.com"), &listed, true),
            (Some("http://console.example.com"), &listed, false),
            (Some("null"), &listed, false),
            (Some(""), &[], false),
            (Some("https://evil.example"), &any, true),
        ];
        for (origin, listed, allowed) in cases {
            assert_eq!(is_allowed(true, "gateway.example.com:8443", *origin, listed), *allowed, "{origin:?}");
        }
    }

    #[test]
    fn without_tls_a_name_that_points_here_makes_no_page_our_own() {
        let rebound = ["http://rebound.example:8080".to_string()];
        let cases: &[(&str, &str, &[String], bool)] = &[
            ("rebound.example:8080", "http://rebound.example:8080", &[], false),
            ("rebound.example:8080", "http://rebound.example:8080", &rebound, true),
            ("localhost.evil.example:8080", "http://localhost.evil.example:8080", &[], false),
            ("192.0.2.7.evil.example", "http://192.0.2.7.evil.example", &[], false),
            ("[evil.example]:80", "http://[evil.example]:80", &[], false),
            ("", "http://", &[], false),
            ("localhost", "http://localhost", &[], true),
            ("LOCALHOST:8080", "http://localhost:8080", &[], true),
            ("192.0.2.7:8080", "http://192.0.2.7:8080", &[], true),
            ("192.0.2.7:8080", "https://192.0.2.7:8080", &[], false),
            ("192.0.2.7:8080", "http://192.0.2.8:8080", &[], false),
            ("[2001:db8::7]:8080", "http://[2001:db8::7]:8080", &[], true),
            ("[::1]", "http://[::1]", &[], true),
        ];
        for (host, origin, listed, allowed) in cases {
            assert_eq!(is_allowed(false, host, Some(origin), listed), *allowed, "{host} {origin}");
        }
    }
}
