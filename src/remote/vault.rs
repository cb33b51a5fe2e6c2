//! Secrets that a service keeps. The program that serves the objects reads them, with the credentials that it has where it runs: on an
//! instance those of the instance.

use std::sync::Arc;

use contract::backend::{Secret, SecretService};

use super::{FailedClass, Place, Remote, RemoteError};

/// What reads secrets.
#[derive(Clone, Debug, Default)]
pub enum Vault {
    /// Nobody does.
    #[default]
    Closed,
    /// The program that serves the objects of this place; it is started when a stage starts that wants a secret.
    At(Place),
    /// The one that serves these objects.
    Of(Arc<Remote>),
}

impl Vault {
    /// Whom to ask.
    pub fn open(&self) -> Result<Arc<Remote>, RemoteError> {
        match self {
            Vault::Closed => {
                Err(RemoteError::new(FailedClass::Unsupported, "no program is there that reads secrets of services")
                    .help("write `remote: {url: \"s3://BUCKET/PREFIX\"}` into pipe.yaml: its program reads them"))
            }
            Vault::At(place) => Ok(Arc::new(Remote::open(place)?)),
            Vault::Of(remote) => Ok(Arc::clone(remote)),
        }
    }
}

impl Remote {
    /// Whether the program that serves it reads secrets of this service.
    pub fn reads(&self, service: SecretService) -> bool {
        self.objects.secrets().contains(&service)
    }

    /// The value of a secret.
    pub fn secret(&self, secret: &Secret) -> Result<String, RemoteError> {
        self.objects.secret(secret)
    }
}
