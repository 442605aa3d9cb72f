//! Reads the `Authorization` header of Signature Version 4.

use axum::http::header::AUTHORIZATION;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::{DATE_HEADER, Refusal, Request};

/// The only algorithm of this version.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last part of every credential scope.
pub(super) const TERMINATOR: &str = "aws4_request";

const DATE_TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// What the header says, checked for shape only.
#[derive(Debug)]
pub(super) struct Authorization<'a> {
    pub(super) key_id: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// Lower case, in the order of the header.
    pub(super) signed_headers: Vec<&'a str>,
    pub(super) signature: Vec<u8>,
    /// The signing time as sent.
    pub(super) date_time: &'a str,
    pub(super) signed_at_secs: i64,
}

impl<'a> Authorization<'a> {
    /// Reads the header and the signing time of `request`.
    pub(super) fn of(request: Request<'a>) -> Result<Self, Refusal> {
        let header = request.headers.get(AUTHORIZATION).ok_or(Refusal::Missing)?;
        let header =
            header.to_str().map_err(|_| refuse("the `Authorization` header must be printable ASCII"))?;
        let fields = header
            .strip_prefix(ALGORITHM)
            .ok_or_else(|| refuse("the `Authorization` header must begin with `AWS4-HMAC-SHA256`"))?;
        let mut credential = None;
        let mut signed_headers = None;
        let mut signature = None;
        for field in fields.split(',') {
            match field.trim().split_once('=') {
                Some(("Credential", value)) => credential = Some(value),
                Some(("SignedHeaders", value)) => signed_headers = Some(value),
                Some(("Signature", value)) => signature = Some(value),
                _ => {
                    return Err(refuse("the `Authorization` header has a field that is not of this version"));
                }
            }
        }
        let (Some(credential), Some(signed_headers), Some(signature)) =
            (credential, signed_headers, signature)
        else {
            return Err(refuse(
                "the `Authorization` header needs `Credential`, `SignedHeaders` and `Signature`",
            ));
        };
        Self::from_fields(request, credential, signed_headers, signature)
    }

    fn from_fields(
        request: Request<'a>,
        credential: &'a str,
        signed_headers: &'a str,
        signature: &str,
    ) -> Result<Self, Refusal> {
        let (date_time, signed_at_secs) = signing_time(request)?;
        // A key's name may hold slashes, so the scope is split off from the right.
        let mut parts = credential.rsplitn(5, '/');
        let (Some(TERMINATOR), Some(service), Some(region), Some(date), Some(key_id)) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(refuse("`Credential` must read `KEY/DATE/REGION/SERVICE/aws4_request`"));
        };
        if date_time.get(..8) != Some(date) {
            return Err(refuse("the date in `Credential` is not that of `X-Amz-Date`"));
        }
        let signature = hex::decode(signature)
            .ok()
            .filter(|bytes| bytes.len() == 32)
            .ok_or_else(|| refuse("`Signature` must be 64 hexadecimal digits"))?;
        let signed_headers = signed_headers.split(';').collect();
        Ok(Self { key_id, region, service, signed_headers, signature, date_time, signed_at_secs })
    }

    /// `20150830`
    pub(super) fn date(&self) -> &str {
        self.date_time.get(..8).expect("the signing time was parsed, so it begins with eight digits")
    }

    /// `20150830/us-east-1/sqs/aws4_request`
    pub(super) fn scope(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.date(), self.region, self.service)
    }
}

fn signing_time<'a>(request: Request<'a>) -> Result<(&'a str, i64), Refusal> {
    let header = request
        .headers
        .get(DATE_HEADER)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| refuse("a signed request needs the header `X-Amz-Date`"))?;
    let time = PrimitiveDateTime::parse(header, DATE_TIME)
        .map_err(|_| refuse("`X-Amz-Date` must look like `20150830T123600Z`"))?;
    let at: OffsetDateTime = time.assume_utc();
    Ok((header, at.unix_timestamp()))
}

fn refuse(why: &str) -> Refusal {
    Refusal::incomplete(why.to_owned())
}
