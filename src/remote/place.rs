//! Where a remote is, as the settings say it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

/// Where a remote is, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As it was written.
    pub url: String,
    /// The directory or program that serves it.
    pub scheme: Scheme,
    /// Where its service is, when that is not the usual one.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The named profile of credentials.
    pub profile: Option<String>,
    /// Whether the bucket is a part of the path instead of the host's name.
    pub path_style: Option<bool>,
    /// When the service's own checksums are sent.
    pub checksums: Option<Checksums>,
}

/// How a remote is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A directory of this machine, absolute.
    Directory(PathBuf),
    /// The backend program of this scheme: `s3`.
    Program(String),
}

/// When a service's own checksums are sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// With every object.
    Always,
    /// Only where the service requires them: some services that call themselves compatible reject the others.
    WhenRequired,
}

/// Why a URL names no remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The reason, as a clause without a full stop.
    pub message: String,
    /// Advice for the user.
    pub help: &'static str,
}

/// The program of S3.
pub const OF_AWS: &str = "pipe-aws";
const FORMS: &str = "write s3://BUCKET/PREFIX, file:///DIRECTORY or the path of a directory";

impl Place {
    /// A name that distinguishes it from other places, however the settings write it: the path of a directory, else URL and endpoint.
    pub fn identity(&self) -> String {
        match (&self.scheme, &self.endpoint) {
            (Scheme::Directory(path), _) => path.display().to_string(),
            (Scheme::Program(_), Some(endpoint)) => format!("{} at {endpoint}", self.url),
            (Scheme::Program(_), None) => self.url.clone(),
        }
    }

    /// The place that `url` names; a path is relative to `root`.
    pub fn parse(url: &str, root: &Path) -> Result<Place, Unusable> {
        let unusable = |message: String| Unusable { message, help: FORMS };
        let scheme = match url.split_once("://") {
            None if begins_as_url(url) => {
                let message = format!("`{url}` begins as a URL does, and lacks the `//` behind the scheme");
                return Err(Unusable {
                    message,
                    help: "write s3://BUCKET/PREFIX; a directory of such a name is ./NAME",
                });
            }
            None => Scheme::Directory(root.join(url)),
            Some(("file", path)) if path.starts_with('/') => Scheme::Directory(PathBuf::from(path)),
            Some(("file", _)) => return Err(unusable(format!("`{url}` names no absolute path"))),
            Some((scheme, rest)) => {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                if !scheme.starts_with(|first: char| first.is_ascii_lowercase()) || !scheme.bytes().all(plain) {
                    return Err(unusable(format!("`{url}` begins with no scheme")));
                }
                if rest.is_empty() || (scheme == "s3" && rest.starts_with('/')) {
                    return Err(unusable(format!(
                        "`{url}` names no {}",
                        if scheme == "s3" { "bucket" } else { "place" }
                    )));
                }
                // The form of other URLs is known only to the programs of their schemes.
                if scheme == "s3" && rest.trim_end_matches('/').split('/').any(|part| matches!(part, "" | "." | "..")) {
                    return Err(unusable(format!("the prefix of `{url}` has an empty part, `.` or `..`")));
                }
                Scheme::Program(scheme.to_owned())
            }
        };
        Ok(Place {
            url: url.to_owned(),
            scheme,
            endpoint: None,
            region: None,
            profile: None,
            path_style: None,
            checksums: None,
        })
    }

    /// The directory that it is, where it is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.scheme {
            Scheme::Directory(path) => Some(path),
            Scheme::Program(_) => None,
        }
    }

    /// The program that serves it, where one does.
    pub fn program(&self) -> Option<String> {
        match &self.scheme {
            Scheme::Directory(_) => None,
            Scheme::Program(scheme) if scheme == "s3" => Some(OF_AWS.to_owned()),
            Scheme::Program(scheme) => Some(format!("pipe-{scheme}")),
        }
    }
}

/// Whether it begins with a scheme and one slash: `s3:/bucket`.
fn begins_as_url(url: &str) -> bool {
    url.split_once(":/").is_some_and(|(scheme, _)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(plain)
    })
}

/// What is wrong with the address of a service; `None` where it can be one.
pub fn wrong_endpoint(endpoint: &str) -> Option<&'static str> {
    let Some((_, rest)) = endpoint.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")) else {
        return Some("it does not begin with http:// or https://");
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        return Some("it holds a name or a password, which do not belong into a file");
    }
    // An address of IPv6 has colons of its own, in brackets.
    let (host, port) = match authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return Some("it names no host");
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Some("its port is no number from 1 to 65535");
    }
    rest.contains(|c: char| c.is_whitespace() || c.is_control() || "?#".contains(c)).then_some("it is no plain address")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Checksums {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Checksums::Always => "always",
            Checksums::WhenRequired => "when-required",
        }
    }
}

impl Serialize for Checksums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_directory_or_a_program() {
        let parse =
            |url: &str| Place::parse(url, Path::new("/project")).map(|place| (place.scheme.clone(), place.program()));
        let directory = |path: &str| Ok((Scheme::Directory(path.into()), None));
        assert_eq!(parse("shared/store"), directory("/project/shared/store"));
        assert_eq!(parse("/srv/store"), directory("/srv/store"));
        assert_eq!(parse("file:///srv/store"), directory("/srv/store"));
        assert_eq!(parse("s3://b/p"), Ok((Scheme::Program("s3".into()), Some("pipe-aws".into()))));
        assert_eq!(parse("s3://b"), Ok((Scheme::Program("s3".into()), Some("pipe-aws".into()))));
        assert_eq!(parse("files:///x/y/"), Ok((Scheme::Program("files".into()), Some("pipe-files".into()))));
        for wrong in [
            "file://here",
            "s3://",
            "s3:///p",
            "://x",
            "S3://b",
            "s3://b//p",
            "s3://b/../p",
            "a b://c",
            "s3:/b/p",
            "file:/srv",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("./s3:/b"), directory("/project/./s3:/b"));
    }

    #[test]
    fn an_endpoint_has_a_scheme_a_host_and_perhaps_a_port_and_a_path() {
        for good in
            ["http://127.0.0.1:8333", "https://s3.example.org", "http://[::1]:9000/x", "http://host", "http://[::1]"]
        {
            assert_eq!(wrong_endpoint(good), None, "{good}");
        }
        for wrong in [
            "127.0.0.1:8333",
            "ftp://x",
            "http://",
            "http://:80",
            "http://x:y",
            "http://x:0",
            "http://a b",
            "http://me:pw@x",
            "http://x?y",
        ] {
            assert!(wrong_endpoint(wrong).is_some(), "{wrong}");
        }
    }
}
