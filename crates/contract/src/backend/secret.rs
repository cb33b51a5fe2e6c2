//! Secrets that a service keeps: which one is meant, and its value on the way to the engine.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A secret, by the service that keeps it and its name there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// A parameter of the Parameter Store of AWS Systems Manager, by name or ARN.
    Ssm(String),
    /// A secret of AWS Secrets Manager, by its ARN.
    SecretsManager(String),
}

/// A service that keeps secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretService {
    /// The Parameter Store of AWS Systems Manager.
    Ssm,
    /// AWS Secrets Manager.
    SecretsManager,
}

impl Secret {
    /// The service that keeps it.
    pub fn service(&self) -> SecretService {
        match self {
            Secret::Ssm(_) => SecretService::Ssm,
            Secret::SecretsManager(_) => SecretService::SecretsManager,
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Ssm(name) => write!(f, "the parameter {name}"),
            Secret::SecretsManager(arn) => f.write_str(arn),
        }
    }
}

impl fmt::Display for SecretService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretService::Ssm => "the Parameter Store of SSM",
            SecretService::SecretsManager => "Secrets Manager",
        })
    }
}

/// The value of a secret. It is written to the engine and shown nowhere.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretValue(pub String);

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
