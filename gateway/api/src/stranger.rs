//! Who may ask where no signature is asked for: programs on this machine, and pages that they serve themselves. A page of somebody else
//! that a browser here shows must not, even where its owner lets its name point to this machine (DNS rebinding).

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Why the request is not one of a program on this machine; none when it may be.
///
/// `host` is what was asked, by name or address and with its port; `own_url` is how clients reach this API, where the settings say so.
#[must_use]
pub fn stranger(host: &str, headers: &HeaderMap, own_url: Option<&str>) -> Option<String> {
    let own_host = own_url.and_then(|url| url.split_once("://")).map(|(_, host)| host.trim_end_matches('/'));
    let is_named = own_host.is_some_and(|own| own.eq_ignore_ascii_case(host));
    if !is_named && !is_fixed(host) {
        return Some(format!(
            "`{host}` is a name that somebody else may own; ask an IP address or `localhost`"
        ));
    }
    let own = if is_named {
        own_url.unwrap_or_default().trim_end_matches('/').to_owned()
    } else {
        format!("http://{host}")
    };
    headers.get_all(header::ORIGIN).iter().find_map(|origin| {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        (!origin.eq_ignore_ascii_case(&own))
            .then(|| format!("pages of the origin `{origin}` may not ask this"))
    })
}

/// Whether nobody else can decide where this host is: it is an address, or `localhost`.
#[must_use]
pub fn is_fixed(host: &str) -> bool {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_pages_of_others_are_strangers() {
        let public = Some("https://gateway.plant:8443/");
        for (host, origin, own_url, allowed) in [
            ("127.0.0.1:8080", None, None, true),
            ("[::1]:8080", None, None, true),
            ("localhost:8080", Some("http://localhost:8080"), None, true),
            ("localhost:8080", Some("http://localhost:3000"), None, false),
            ("127.0.0.1:8080", Some("https://evil.example"), None, false),
            ("127.0.0.1:8080", Some("null"), None, false),
            ("rebound.evil.example:8080", None, None, false),
            ("rebound.evil.example:8080", Some("http://rebound.evil.example:8080"), None, false),
            ("gateway.plant:8443", None, public, true),
            ("gateway.plant:8443", Some("https://gateway.plant:8443"), public, true),
            ("gateway.plant:8443", Some("https://evil.example"), public, false),
            ("rebound.evil.example:8443", None, public, false),
            ("", None, None, false),
        ] {
            let mut headers = HeaderMap::new();
            origin
                .into_iter()
                .for_each(|origin| drop(headers.insert(header::ORIGIN, origin.parse().unwrap())));
            assert_eq!(
                stranger(host, &headers, own_url).is_none(),
                allowed,
                "{host:?} {origin:?} {own_url:?}"
            );
        }
    }
}
