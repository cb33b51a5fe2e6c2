//! The reference of this build: every scanner's profile, and the severities of whole reports.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::bands::{Bands, SeverityCounts};
use super::kind::{Aspect, Departure};
use super::scanner::ScannerProfile;
use crate::finding::Finding;
use crate::severity::Severity;

/// The reference.
#[derive(Debug)]
pub struct Profile {
    scanners: BTreeMap<String, ScannerProfile>,
    hosts: Vec<HostProfile>,
}

/// Severities of whole reports.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostProfile {
    /// `healthy_desktop` or `all`.
    pub name: String,
    /// Which real hosts it comes from.
    pub source: String,
    /// Their findings by severity.
    pub real: SeverityCounts,
    /// Shares of severities, on the average of many hosts.
    pub bands: Bands,
}

macro_rules! embedded {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../../profile/", $name, ".yaml")))),*] };
}

static SCANNERS: [(&str, &str); 17] = embedded!(
    "processes",
    "network",
    "kernel_params",
    "modules",
    "world_writable",
    "suid_sgid",
    "ioc",
    "mac",
    "mounts",
    "kernel_hardening",
    "systemd_units",
    "auditd",
    "containers",
    "integrity",
    "yara",
    "ebpf_exec_trace",
    "pci_compliance",
);

static REFERENCE: LazyLock<Profile> = LazyLock::new(|| {
    let scanner = |(name, text): (&str, &str)| match ScannerProfile::read(text) {
        Ok((scanner, profile)) if scanner == name => (scanner, profile),
        Ok((scanner, _)) => panic!("the embedded profile {name}.yaml is of {name}, not of {scanner}"),
        Err(error) => panic!("the embedded profile {name}.yaml reads: {error}"),
    };
    let hosts = include_str!("../../profile/hosts.yaml");
    Profile {
        scanners: SCANNERS.into_iter().map(scanner).collect(),
        hosts: serde_yaml::from_str(hosts)
            .unwrap_or_else(|error| panic!("the embedded profile hosts.yaml reads: {error}")),
    }
});

impl Profile {
    /// The reference of this build.
    pub fn reference() -> &'static Profile {
        &REFERENCE
    }

    /// The profile of a scanner; `None` where there is no such scanner.
    pub fn scanner(&self, name: &str) -> Option<&ScannerProfile> {
        self.scanners.get(name)
    }

    /// Every scanner with its profile, by name.
    pub fn scanners(&self) -> impl Iterator<Item = (&str, &ScannerProfile)> {
        self.scanners.iter().map(|(name, profile)| (name.as_str(), profile))
    }

    /// The severities of whole reports of a kind of host.
    pub fn host(&self, name: &str) -> Option<&HostProfile> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// How a finding departs from what its scanner writes; nothing, where it does not.
    pub fn departures(&self, scanner: &str, finding: &Finding) -> Vec<Departure> {
        match self.scanners.get(scanner) {
            None => vec![Departure::new(Aspect::Scanner, format!("there is no scanner `{scanner}`"))],
            Some(_) if is_scanner_error(scanner, finding) => Vec::new(),
            Some(profile) => profile.departures(finding),
        }
    }
}

/// Any scanner may fail, and says so in a finding of its own.
fn is_scanner_error(scanner: &str, finding: &Finding) -> bool {
    finding.severity == Severity::Error
        && finding.title == "Scanner error"
        && finding.id.strip_suffix(":error") == Some(scanner)
        && finding.metadata.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_hold_the_real_hosts_own_shares() {
        let profile = Profile::reference();
        let scanners = profile.scanners().map(|(name, p)| (name, &p.real, &p.bands));
        let hosts = profile.hosts.iter().map(|host| (host.name.as_str(), &host.real, &host.bands));
        for (name, real, bands) in scanners.chain(hosts) {
            assert_eq!(bands.outside(real), [], "{name}");
            assert!(bands.0.values().all(|[low, high]| low <= high && *high <= 1000), "{name}");
        }
    }

    #[test]
    fn each_way_to_depart_is_told() {
        let listener = || {
            Finding::new("tcp:8080:177091", "tcp LISTEN 8080", Severity::Low, "TCP socket")
                .with("protocol", "tcp")
                .with("state", "LISTEN")
                .with("uid", "")
                .with("lport", "8080")
                .with("rport", "0")
                .with("lip", "0.0.0.0")
                .with("rip", "0.0.0.0")
                .with("inode", "177091")
        };
        let check = |scanner, finding: Finding, expected: &[(Aspect, &str)]| {
            let departures = Profile::reference().departures(scanner, &finding);
            let told: Vec<_> = departures.iter().map(|d| d.aspect).collect();
            assert_eq!(told, expected.iter().map(|(aspect, _)| *aspect).collect::<Vec<_>>(), "{departures:?}");
            for (departure, (_, text)) in departures.iter().zip(expected) {
                assert!(departure.text.contains(text), "{departure:?} has not {text}");
            }
        };
        check("network", listener(), &[]);
        check("networks", listener(), &[(Aspect::Scanner, "`networks`")]);
        check("network", Finding { title: "tcp LISTEN 80".into(), ..listener() }, &[(Aspect::Kind, "tcp LISTEN 80")]);
        check(
            "network",
            Finding { description: "a socket".into(), ..listener() },
            &[(Aspect::Description, "a socket")],
        );
        check("network", Finding { base_severity_score: 0, ..listener() }, &[(Aspect::Score, "0, not 30")]);
        let critical = Finding { severity: Severity::Critical, base_severity_score: 90, ..listener() };
        check("network", critical, &[(Aspect::Severity, "critical")]);
        check("network", listener().with("scenario", "c2"), &[(Aspect::UnknownKey, "scenario")]);
        check("network", listener().with("lip", "::"), &[(Aspect::Value, "lip")]);
        check("network", listener().with("wildcard_listen", "false"), &[(Aspect::Value, "wildcard_listen")]);
        let mut without = listener();
        without.metadata.remove("rip");
        check("network", without, &[(Aspect::MissingKey, "rip")]);
        let failed =
            Finding { base_severity_score: 0, ..Finding::new("ioc:error", "Scanner error", Severity::Error, "x") };
        check("ioc", failed, &[]);
    }
}
