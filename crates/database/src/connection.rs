//! Connections, and whether a database is one to serve from.

use std::sync::Arc;

use postgres::{Client, NoTls};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::migrations::{self, VERSION};
use crate::{DatabaseError, DatabaseUrl};

/// Nothing that is asked takes longer, but a wait for another one's lock.
const LIMITS: &str = "SET statement_timeout = '60s'; SET lock_timeout = '20s';
    SET idle_in_transaction_session_timeout = '60s'; SET search_path = pg_catalog;";

/// Connects, without looking at what the database holds.
pub(crate) fn connect(url: &DatabaseUrl) -> Result<Client, DatabaseError> {
    let wrong = |error: postgres::Error| DatabaseError::server(url.place(), "connect", &error);
    let mut client = match url.is_encrypted() {
        true => url.config.connect(encryption(url)?),
        false => url.config.connect(NoTls),
    }
    .map_err(wrong)?;
    client
        .batch_execute(LIMITS)
        .map_err(|error| DatabaseError::server(url.place(), "begin", &error))?;
    Ok(client)
}

/// Connects to serve: the tables have to be those this praxis knows, and the role may not be one that could change them.
///
/// # Errors
/// With what to do, if the database is not migrated, of another version, or the role is its owner's.
pub(crate) fn serve(url: &DatabaseUrl) -> Result<Client, DatabaseError> {
    let mut client = connect(url)?;
    let unfit = |reason: String| DatabaseError::Unfit {
        place: url.place().into(),
        reason,
    };
    let version = migrations::version(url, &mut client)?;
    if version < VERSION {
        let found = match version {
            0 => "it has no tables of praxis".to_string(),
            _ => format!("its tables are of version {version}, this praxis needs version {VERSION}"),
        };
        return Err(unfit(format!(
            "{found}: its owner runs praxis database migrate first; serving does not"
        )));
    }
    if version > VERSION {
        return Err(unfit(format!(
            "its tables are of version {version}, this praxis knows version {VERSION}: use a later praxis"
        )));
    }
    let sql = "SELECT rolsuper OR pg_has_role(current_user, relowner, 'MEMBER')
               FROM pg_class, pg_roles WHERE pg_class.oid = 'praxis.records'::regclass AND rolname = current_user";
    let row = client
        .query_one(sql, &[])
        .map_err(|error| DatabaseError::server(url.place(), "ask for its rights", &error))?;
    match row.get(0) {
        true => Err(unfit(
            "this role owns the tables or is a superuser, so nothing would keep it from changing the ledger: serve with \
             the role that praxis database migrate --serving-role was given"
                .into(),
        )),
        false => Ok(client),
    }
}

fn encryption(url: &DatabaseUrl) -> Result<MakeRustlsConnect, DatabaseError> {
    let mut believed = rustls::RootCertStore::empty();
    match &url.authorities {
        Some(path) => {
            let wrong = |why: String| DatabaseError::Url(format!("sslrootcert={}: {why}", path.display()));
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                believed
                    .add(certificate)
                    .map_err(|error| wrong(error.to_string()))?;
            }
            if believed.is_empty() {
                return Err(wrong("it holds no certificate".into()));
            }
        }
        None => believed.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DatabaseError::Url(error.to_string()))?
        .with_root_certificates(believed)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(settings))
}
