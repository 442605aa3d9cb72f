//! Only programs on this machine may ask, and pages that they serve themselves: a page of somebody else that a browser here shows must not,
//! even where its owner lets its name point to this machine (DNS rebinding).

use super::answer::Refused;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

/// Refuses what comes from elsewhere.
pub(super) async fn check(request: Request, next: Next) -> Result<Response, Refused> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match api::stranger(host, request.headers(), None) {
        None => Ok(next.run(request).await),
        Some(reason) => Err(Refused::new(StatusCode::FORBIDDEN, reason)),
    }
}
