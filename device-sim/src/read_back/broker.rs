//! Where a subscription is made, and as whom: on the scenario's server, as its first fleet would.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;

use crate::credentials::{Credentials, Standing};
use crate::error::Error;
use crate::scenario::{Fleet, Identity, Scenario, Transport};

/// A server, and how to introduce oneself.
pub(crate) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    /// `None` for bare TCP.
    pub(super) tls: Option<Tls>,
    pub(super) client_id: String,
    /// User name and password.
    pub(super) login: Option<(String, String)>,
}

/// How to speak TLS with the server.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: ServerName<'static>,
}

impl Broker {
    /// The reader of a run. Over TLS it has the first device's certificate, or one of its own where they are made.
    ///
    /// # Errors
    /// When the fleet comes over WebSocket, which the reader doesn't speak, or a certificate or password is missing.
    pub(crate) fn of(
        scenario: &Scenario,
        run: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Self, Error> {
        let client_id = format!("{run}-reader");
        let Some(fleet) = scenario.fleets.first() else { return Err(Error::ReaderTransport) };
        let tls = match (fleet.transport, credentials) {
            (Transport::Tcp, _) => None,
            (Transport::Tls, Some(credentials)) => Some(tls(scenario, credentials, &client_id)?),
            (Transport::Tls | Transport::WebSocket | Transport::WebSocketTls, _) => {
                return Err(Error::ReaderTransport);
            }
        };
        let login = login(fleet, &client_id, run)?;
        let address = &scenario.server.address;
        Ok(Self { host: address.host.clone(), port: address.port, tls, client_id, login })
    }
}

fn tls(scenario: &Scenario, credentials: &Credentials, client_id: &str) -> Result<Tls, Error> {
    let server_name = scenario.server.server_name.as_str();
    let server_name = ServerName::try_from(server_name.to_owned())
        .map_err(|_| Error::ServerName(server_name.to_owned()))?;
    Ok(Tls { config: credentials.settings(0, client_id, Standing::Valid)?, server_name })
}

fn login(fleet: &Fleet, client_id: &str, run: &str) -> Result<Option<(String, String)>, Error> {
    let Some(user_name) = &fleet.user_name else { return Ok(None) };
    let user_name = user_name.render(&Identity { device: client_id, fleet: &fleet.name, place: 0, run });
    let password = match &fleet.password_environment {
        Some(variable) => std::env::var(variable).map_err(|_| Error::Password(variable.clone()))?,
        None => String::new(),
    };
    Ok(Some((user_name, password)))
}
