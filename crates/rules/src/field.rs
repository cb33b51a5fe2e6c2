//! The fields of a finding that rules and tables may ask for, by name.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

/// What a rule may ask of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
#[expect(missing_docs, reason = "the names are the documentation; rules/README.md lists them")]
pub enum Field {
    Scanner,
    Id,
    Severity,
    Change,
    Pid,
    Executable,
    Argv0,
    Program,
    Place,
    Hidden,
    Disguised,
    Renamed,
    Offensive,
    Stem,
    Account,
    Prevalence,
    Kind,
    Known,
    Port,
    Inode,
    LocalAddress,
    RemoteAddress,
    RemotePort,
    Remote,
    Local,
    ConnectionOut,
    ConnectionIn,
    State,
    Direction,
    Service,
    ServerPort,
    HostRole,
    Path,
    Directory,
    Module,
    Parameter,
    Value,
    Unit,
    Metadata(String),
}

/// Every field but those of the metadata, by the name that rules use.
pub const FIELDS: [(&str, Field); 38] = [
    ("scanner", Field::Scanner),
    ("id", Field::Id),
    ("severity", Field::Severity),
    ("change", Field::Change),
    ("pid", Field::Pid),
    ("executable", Field::Executable),
    ("argv0", Field::Argv0),
    ("program", Field::Program),
    ("place", Field::Place),
    ("hidden", Field::Hidden),
    ("disguised", Field::Disguised),
    ("renamed", Field::Renamed),
    ("offensive", Field::Offensive),
    ("stem", Field::Stem),
    ("account", Field::Account),
    ("prevalence", Field::Prevalence),
    ("kind", Field::Kind),
    ("known", Field::Known),
    ("port", Field::Port),
    ("inode", Field::Inode),
    ("local_address", Field::LocalAddress),
    ("remote_address", Field::RemoteAddress),
    ("remote_port", Field::RemotePort),
    ("remote", Field::Remote),
    ("local", Field::Local),
    ("connection_out", Field::ConnectionOut),
    ("connection_in", Field::ConnectionIn),
    ("state", Field::State),
    ("direction", Field::Direction),
    ("service", Field::Service),
    ("server_port", Field::ServerPort),
    ("host_role", Field::HostRole),
    ("path", Field::Path),
    ("directory", Field::Directory),
    ("module", Field::Module),
    ("parameter", Field::Parameter),
    ("value", Field::Value),
    ("unit", Field::Unit),
];

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Field, String> {
        if let Some((_, field)) = FIELDS.iter().find(|(name, _)| *name == text) {
            return Ok(field.clone());
        }
        match text.strip_prefix("metadata.") {
            Some(key) if !key.is_empty() => Ok(Field::Metadata(key.to_owned())),
            _ => Err(format!("no field `{text}`; rules/README.md lists the fields")),
        }
    }
}

impl TryFrom<String> for Field {
    type Error = String;

    fn try_from(text: String) -> Result<Field, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused() {
        assert!("inode_number".parse::<Field>().unwrap_err().contains("inode_number"));
        assert!("metadata.".parse::<Field>().is_err());
        assert_eq!("metadata.exe".parse(), Ok(Field::Metadata("exe".into())));
    }
}
