//! What findings and severities look like in real reports: the reference that simulated ones are held against.
//!
//! The data is under `profile/`, with a README. [`Profile::departures`] says how one finding differs from it, [`Bands::outside`] how
//! severities do on the average of many. It knows no finding that the scanner could not have written, and no host.

mod format;
mod kind;
mod pattern;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::finding::Finding;
use crate::severity::Severity;

pub use kind::{Aspect, Departure};

use kind::{Kind, KindText};

/// Findings by severity.
pub type SeverityCounts = BTreeMap<Severity, u64>;

/// The reference.
#[derive(Debug)]
pub struct Profile {
    scanners: BTreeMap<String, ScannerProfile>,
    hosts: Vec<HostProfile>,
}

/// What one scanner reports.
#[derive(Debug)]
pub struct ScannerProfile {
    /// Where the reference comes from.
    pub source: String,
    /// Findings in the real report, by severity; none where it has none.
    pub real: SeverityCounts,
    /// Shares of severities, on the average of many hosts.
    pub bands: Bands,
    /// The base score of every finding, where it does not follow from the severity.
    pub score: Option<u8>,
    kinds: Vec<Kind>,
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

/// Lowest and highest share of each severity, in per mille. A severity without a band does not occur.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Bands(BTreeMap<Severity, [u64; 2]>);

/// A share that lies outside its band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The severity.
    pub severity: Severity,
    /// Its share, in per mille, rounded.
    pub share: u64,
    /// Where it should lie.
    pub band: [u64; 2],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScannerText {
    scanner: String,
    source: String,
    #[serde(default)]
    real: SeverityCounts,
    bands: Bands,
    score: Option<u8>,
    #[serde(default)]
    words: BTreeMap<String, Vec<String>>,
    kinds: Vec<KindText>,
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

    /// What a scanner reports; `None` where there is no such scanner.
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

impl ScannerProfile {
    fn read(text: &str) -> Result<(String, ScannerProfile), String> {
        let text: ScannerText = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        let kinds = text.kinds.into_iter().map(|kind| kind.compile(&text.words)).collect::<Result<_, _>>()?;
        let profile =
            ScannerProfile { source: text.source, real: text.real, bands: text.bands, score: text.score, kinds };
        Ok((text.scanner, profile))
    }

    fn departures(&self, finding: &Finding) -> Vec<Departure> {
        let alike = self.kinds.iter().filter(|kind| kind.names(finding));
        let Some(mut departures) = alike.map(|kind| kind.departures(finding)).min_by_key(Vec::len) else {
            let text =
                format!("no finding of this scanner has the id {:?} and the title {:?}", finding.id, finding.title);
            return vec![Departure::new(Aspect::Kind, text)];
        };
        let score = self.score.unwrap_or(finding.severity.score());
        if finding.base_severity_score != score {
            let text = format!("the base score is {}, not {score}", finding.base_severity_score);
            departures.push(Departure::new(Aspect::Score, text));
        }
        departures
    }
}

impl Bands {
    /// The band of a severity.
    pub fn band(&self, severity: Severity) -> [u64; 2] {
        self.0.get(&severity).copied().unwrap_or([0, 0])
    }

    /// The shares that lie outside their bands; nothing of nothing. Findings of scanners that failed do not count.
    pub fn outside(&self, counts: &SeverityCounts) -> Vec<Outside> {
        let count = |severity| counts.get(&severity).copied().unwrap_or(0);
        let severities = Severity::ALL.into_iter().filter(|severity| *severity != Severity::Error);
        let total: u64 = severities.clone().map(count).sum();
        if total == 0 {
            return Vec::new();
        }
        let outside = severities.map(|severity| {
            let share = (2000 * count(severity) + total) / (2 * total);
            Outside { severity, share, band: self.band(severity) }
        });
        outside.filter(|Outside { share, band: [low, high], .. }| !(low..=high).contains(&share)).collect()
    }
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
    fn a_share_outside_its_band_or_without_one_is_told() {
        let bands = Bands(BTreeMap::from([(Severity::Info, [500, 900]), (Severity::Low, [100, 400])]));
        let counts = |info, low, high| {
            SeverityCounts::from([(Severity::Info, info), (Severity::Low, low), (Severity::High, high)])
        };
        assert_eq!(bands.outside(&counts(7, 3, 0)), []);
        assert_eq!(bands.outside(&SeverityCounts::new()), []);
        let outside = bands.outside(&counts(95, 4, 1));
        let told: Vec<_> = outside.iter().map(|o| (o.severity, o.share, o.band)).collect();
        let expected =
            [(Severity::Info, 950, [500, 900]), (Severity::Low, 40, [100, 400]), (Severity::High, 10, [0, 0])];
        assert_eq!(told, expected);
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
