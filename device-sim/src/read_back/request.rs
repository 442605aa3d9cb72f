//! One request of the AWS JSON protocols, signed when there is a key.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use serde_json::Value;

use super::Access;

/// Longer than any long poll that is asked for.
const REQUEST_SECS_MAX: u64 = 20;
/// As much of an error's body as is shown.
const ERROR_CHARACTERS_MAX: usize = 300;

/// What requests are signed with.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) region: String,
}

/// A service of the AWS JSON protocols.
#[derive(Clone, Copy)]
pub(super) struct Service {
    /// Its name in signatures.
    pub(super) name: &'static str,
    /// What stands before the operation in `X-Amz-Target`.
    pub(super) prefix: &'static str,
    pub(super) content_type: &'static str,
}

/// Where requests go.
pub(super) struct Api {
    client: reqwest::Client,
    url: String,
    key: Option<(Identity, String)>,
}

impl Api {
    pub(super) fn new(access: Access) -> Result<Self, String> {
        let Access { url, key } = access;
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(REQUEST_SECS_MAX))
            .build()
            .map_err(|error| format!("cannot make an HTTP client: {error}"))?;
        let key = key.map(|Key { id, secret, region }| {
            (Identity::from(Credentials::new(id, secret, None, None, "device-sim")), region)
        });
        Ok(Self { client, url, key })
    }

    /// Calls an operation. Errors are words for people.
    pub(super) async fn call(
        &self,
        service: Service,
        operation: &str,
        body: &Value,
    ) -> Result<Value, String> {
        let body = body.to_string();
        let target = format!("{}.{operation}", service.prefix);
        let mut headers = vec![
            ("content-type".to_owned(), service.content_type.to_owned()),
            ("x-amz-target".to_owned(), target),
        ];
        if let Some((identity, region)) = &self.key {
            headers.extend(self.signature(identity, region, service.name, &headers, &body)?);
        }
        let mut request = self.client.post(&self.url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let failed =
            |error: reqwest::Error| format!("{operation} at `{}` failed: {}", self.url, root(&error));
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let text = response.text().await.map_err(failed)?;
        if !status.is_success() {
            let shown: String = text.chars().take(ERROR_CHARACTERS_MAX).collect();
            return Err(format!("{operation} at `{}` was refused with {status}: {shown}", self.url));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|error| format!("{operation} did not answer in JSON: {error}"))
    }

    fn signature(
        &self,
        identity: &Identity,
        region: &str,
        service: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<Vec<(String, String)>, String> {
        let cannot = |error: &dyn std::fmt::Display| format!("cannot sign a request: {error}");
        let parameters = v4::SigningParams::builder()
            .identity(identity)
            .region(region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| cannot(&error))?
            .into();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new("POST", &self.url, headers, SignableBody::Bytes(body.as_bytes()))
            .map_err(|error| cannot(&error))?;
        let signed = sign(signable, &parameters).map_err(|error| cannot(&error))?;
        let (instructions, _) = signed.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// The innermost error, which says what happened.
fn root(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
