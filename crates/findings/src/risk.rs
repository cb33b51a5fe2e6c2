//! The risk formula of the agent, in two profiles: `agent` is what it computes today, `intended` what it means to.
//!
//! Pure: everything a score depends on is in [`Factors`], and all of it can be read back from a finding's line, so `verify`
//! computes it again. `libm` keeps the exponential the same on every machine.

use scan::{Metadata, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::agent;
use crate::category;
use crate::record::Subscores;

/// Set on an ioc that matched by name only; the risk formula halves its trust in those.
pub const NAME_PATTERN: &str = "name_pattern";
/// Set on a process that runs from where no package installs.
pub const PROCESS_NOVEL: &str = "process_novel";

const IMPACT_CAP: f64 = 10.0;
const EXPOSURE_CAP: f64 = 3.0;
const ANOMALY_CAP: f64 = 2.0;
const WEIGHTS: [f64; 3] = [5.0, 3.0, 2.0];
const PATTERN_CONFIDENCE: f64 = 0.7;
const NOVELTY: f64 = 1.5;
const POLICY_IMPACT: f64 = 1.0;

/// Which of the two readings of the formula.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Exactly what the agent computes, with its gaps.
    Agent,
    /// The formula applied to every scanner, as the labels want it.
    #[default]
    Intended,
}

/// The tags that count as exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// A listening socket.
    pub listening: bool,
    /// A SUID or SGID program.
    pub suid: bool,
    /// A port is named.
    pub network_port: bool,
    /// Packets are routed.
    pub routing: bool,
    /// Addresses are translated.
    pub nat: bool,
}

impl Exposure {
    /// The exposure that a finding's tags speak of.
    pub fn of_tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> Exposure {
        let mut exposure = Exposure::default();
        for tag in tags {
            match tag {
                "listening" => exposure.listening = true,
                "suid" => exposure.suid = true,
                "network_port" => exposure.network_port = true,
                "routing" => exposure.routing = true,
                "nat" => exposure.nat = true,
                _ => {}
            }
        }
        exposure
    }

    /// A port alone is no exposure; it adds to one.
    fn score(self) -> f64 {
        if !(self.listening || self.suid || self.routing || self.nat) {
            return 0.0;
        }
        let whole = f64::from(u8::from(self.listening) + u8::from(self.suid));
        let half = f64::from(u8::from(self.network_port) + u8::from(self.routing) + u8::from(self.nat));
        (whole + 0.5 * half).min(EXPOSURE_CAP)
    }
}

/// Everything a score depends on.
#[derive(Clone, Copy, Debug)]
pub struct Factors<'a> {
    /// The severity as the scanner gave it; `error` counts as high.
    pub severity: Severity,
    /// The scanner.
    pub scanner: &'a str,
    /// What is exposed.
    pub exposure: Exposure,
    /// How often the profile's baseline has seen the finding before.
    pub seen_before: u32,
    /// The agent's policy objects to its executable.
    pub denied: bool,
    /// A process that runs from where no package installs.
    pub novel: bool,
    /// Only a name matched.
    pub pattern_only: bool,
}

impl<'a> Factors<'a> {
    /// What the score of a finding depends on in `profile`. `severity` is as the scanner wrote it.
    pub fn of<'t>(
        profile: Profile,
        scanner: &'a str,
        severity: Severity,
        metadata: &Metadata,
        tags: impl Iterator<Item = &'t str> + Clone,
        seen_before: u32,
    ) -> Factors<'a> {
        let has = |wanted: &str| tags.clone().any(|tag| tag == wanted);
        let (novel, pattern_only) = (has(PROCESS_NOVEL), has(NAME_PATTERN));
        let (exposure, denied) = match profile {
            Profile::Agent => (agent::exposure(metadata), agent::denied(metadata.get("exe").map(String::as_str))),
            Profile::Intended => (Exposure::of_tags(tags), false),
        };
        Factors { severity, scanner, exposure, seen_before, denied, novel, pattern_only }
    }
}

/// A score with its parts, each within its cap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Risk {
    /// 0..=100.
    pub score: u8,
    /// 0..=1, four digits.
    pub probability: f64,
    /// 0..=10.
    pub impact: f64,
    /// 0..=3.
    pub exposure: f64,
    /// 0..=2.
    pub anomaly: f64,
    /// 0..=1.
    pub confidence: f64,
}

/// Computes the risk of a finding.
pub fn assess(profile: Profile, factors: &Factors<'_>) -> Risk {
    let weight = category::weight(profile, factors.scanner);
    let base = rounded((severity_weight(factors.severity) * weight).min(IMPACT_CAP), 100.0);
    // The policy adds to what the severity gave before the policy raised it.
    let impact = if factors.denied { (base + POLICY_IMPACT).min(IMPACT_CAP) } else { base };
    let exposure = factors.exposure.score();
    let intended = profile == Profile::Intended;
    let novelty = if intended && factors.novel { NOVELTY } else { 0.0 };
    let anomaly = (baseline_anomaly(profile, factors.seen_before) + novelty).min(ANOMALY_CAP);
    let confidence = if intended && factors.pattern_only { PATTERN_CONFIDENCE } else { 1.0 };
    let raw = WEIGHTS[0] * impact + WEIGHTS[1] * exposure + WEIGHTS[2] * anomaly;
    // Ties to even, as Python's `round` in the agent.
    let score = score_of(raw, confidence).round_ties_even() as u8;
    let probability = rounded(probability_of(raw), 10_000.0);
    Risk { score, probability, impact, exposure, anomaly, confidence }
}

impl Risk {
    /// The parts as shares of their caps.
    pub fn subscores(&self) -> Subscores {
        Subscores {
            impact: rounded(self.impact / IMPACT_CAP, 10_000.0),
            exposure: rounded(self.exposure / EXPOSURE_CAP, 10_000.0),
            anomaly: rounded(self.anomaly / ANOMALY_CAP, 10_000.0),
            confidence: self.confidence,
        }
    }
}

/// The score, 0..=100, and the probability, 0..=1, that follow from impact, exposure and anomaly as shares of their caps, and from
/// the confidence; not rounded.
pub fn of_shares([impact, exposure, anomaly]: [f64; 3], confidence: f64) -> (f64, f64) {
    let raw =
        WEIGHTS[0] * IMPACT_CAP * impact + WEIGHTS[1] * EXPOSURE_CAP * exposure + WEIGHTS[2] * ANOMALY_CAP * anomaly;
    (score_of(raw, confidence), probability_of(raw))
}

fn score_of(raw: f64, confidence: f64) -> f64 {
    let most = WEIGHTS[0] * IMPACT_CAP + WEIGHTS[1] * EXPOSURE_CAP + WEIGHTS[2] * ANOMALY_CAP;
    (raw / most * 100.0 * confidence).clamp(0.0, 100.0)
}

fn probability_of(raw: f64) -> f64 {
    1.0 / (1.0 + libm::exp(3.0 - 0.15 * raw))
}

fn severity_weight(severity: Severity) -> f64 {
    match severity {
        Severity::Info => 1.0,
        Severity::Low => 2.0,
        Severity::Medium => 3.0,
        Severity::High | Severity::Error => 4.0,
        Severity::Critical => 5.0,
    }
}

fn baseline_anomaly(profile: Profile, seen_before: u32) -> f64 {
    let decayed = |n: u32| (1.0 / f64::from(n)).max(0.1);
    match (seen_before, profile) {
        (0, _) => 2.0,
        (1 | 2, _) => 1.0,
        (n, Profile::Intended) => decayed(n),
        (n, Profile::Agent) => rounded(decayed(n), 100.0),
    }
}

/// `value` to a multiple of `1 / unit`. On every value that the formula gives it agrees with Python's `round`, which rounds the exact
/// decimal expansion; a test tries them all.
fn rounded(value: f64, unit: f64) -> f64 {
    (value * unit).round_ties_even() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(scanner: &str, severity: Severity) -> Factors<'_> {
        let exposure = Exposure::default();
        Factors { severity, scanner, exposure, seen_before: 0, denied: false, novel: false, pattern_only: false }
    }

    fn agent(scanner: &str, severity: Severity, exposure: Exposure) -> u8 {
        assess(Profile::Agent, &Factors { exposure, ..factors(scanner, severity) }).score
    }

    #[test]
    fn the_agents_goldens_for_new_findings() {
        let none = Exposure::default();
        let listening = Exposure { listening: true, ..none };
        assert_eq!(agent("suid_sgid", Severity::Low, none), 22);
        assert_eq!(agent("suid_sgid", Severity::Medium, none), 30);
        assert_eq!(agent("network", Severity::Low, listening), 32);
        assert_eq!(agent("ioc", Severity::Critical, none), 86);
        assert_eq!(agent("processes", Severity::Info, none), 14);
    }

    #[test]
    fn the_intended_profile_by_hand() {
        let risk = |f: Factors<'_>| assess(Profile::Intended, &f).score;
        // impact 3 * 1.5 = 4.5, exposure 1, anomaly 2: 22.5 + 3 + 4 = 29.5 of 63 = 46.8
        let suid = Exposure { suid: true, ..Exposure::default() };
        assert_eq!(risk(Factors { exposure: suid, ..factors("suid_sgid", Severity::Medium) }), 47);
        // impact 2 * 1.3, exposure 1.5, anomaly 2: 13 + 4.5 + 4 = 21.5 of 63 = 34.1
        let port = Exposure { listening: true, network_port: true, ..Exposure::default() };
        assert_eq!(risk(Factors { exposure: port, ..factors("network", Severity::Low) }), 34);
        // impact 2 * 2 = 4, anomaly 2: 24 of 63 = 38.1, times 0.7 = 26.7
        assert_eq!(risk(Factors { pattern_only: true, ..factors("ioc", Severity::Low) }), 27);
        // Seen once: 1 + 1.5 is capped at 2, so nothing is lost by having been seen: 5 + 4 of 63.
        assert_eq!(risk(Factors { seen_before: 1, novel: true, ..factors("processes", Severity::Info) }), 14);
    }

    #[test]
    fn a_port_alone_is_no_exposure() {
        let port = Exposure { network_port: true, ..Exposure::default() };
        assert_eq!(agent("network", Severity::Info, port), agent("network", Severity::Info, Exposure::default()));
    }

    #[test]
    fn anomaly_falls_with_sightings_down_to_a_tenth() {
        let anomaly = |n| assess(Profile::Agent, &Factors { seen_before: n, ..factors("mac", Severity::Low) }).anomaly;
        assert_eq!([0, 1, 2, 4, 50].map(anomaly), [2.0, 1.0, 1.0, 0.25, 0.1]);
        // The agent has two digits, ties to even.
        assert_eq!([3, 6, 7, 8, 9, 11].map(anomaly), [0.33, 0.17, 0.14, 0.12, 0.11, 0.1]);
        let intended = Factors { seen_before: 3, ..factors("mac", Severity::Low) };
        assert_eq!(assess(Profile::Intended, &intended).anomaly, 1.0 / 3.0);
    }

    /// Rust prints the exact decimal expansion, rounded half to even, as Python's `round` does.
    #[test]
    fn rounding_agrees_with_python_on_every_value_of_the_agents_formula() {
        let exact = |value: f64, digits: usize| format!("{value:.digits$}").parse::<f64>().unwrap();
        let scanners = ["ioc", "suid", "network", "modules", "kernel_params", "mac"];
        let exposures =
            [(false, false, false), (true, false, false), (true, false, true), (true, true, false), (true, true, true)];
        for (scanner, severity) in
            scanners.iter().flat_map(|scanner| Severity::ALL.map(|severity| (*scanner, severity)))
        {
            let product = severity_weight(severity) * category::weight(Profile::Agent, scanner);
            for ((listening, suid, network_port), seen_before) in
                exposures.iter().flat_map(|exposure| (0..12).map(move |n| (*exposure, n)))
            {
                let exposure = Exposure { listening, suid, network_port, ..Exposure::default() };
                for denied in [false, true] {
                    let factors = Factors { exposure, seen_before, denied, ..factors(scanner, severity) };
                    let risk = assess(Profile::Agent, &factors);
                    let raised = if denied { 1.0 } else { 0.0 };
                    assert_eq!(risk.impact, (exact(product, 2) + raised).min(IMPACT_CAP), "{factors:?}");
                    let raw = risk.impact * 5.0 + risk.exposure * 3.0 + risk.anomaly * 2.0;
                    assert_eq!(f64::from(risk.score), exact(raw / 63.0 * 100.0, 0), "{factors:?}");
                    let probability = 1.0 / (1.0 + (-(-3.0 + 0.15 * raw)).exp());
                    assert_eq!(risk.probability, exact(probability, 4), "{factors:?}");
                }
                if seen_before > 2 {
                    let anomaly = exact((1.0 / f64::from(seen_before)).max(0.1), 2);
                    assert_eq!(baseline_anomaly(Profile::Agent, seen_before), anomaly);
                }
            }
        }
    }

    #[test]
    fn the_policy_adds_to_the_impact_of_the_agent_alone_and_within_the_cap() {
        let metadata =
            Metadata::from([("exe".to_owned(), "/tmp/x".to_owned()), ("state".to_owned(), "LISTEN".to_owned())]);
        let risk = |profile, scanner, severity| {
            assess(profile, &Factors::of(profile, scanner, severity, &metadata, std::iter::empty(), 0))
        };
        assert_eq!(risk(Profile::Agent, "network", Severity::Low).impact, 3.6);
        assert_eq!(risk(Profile::Agent, "ioc", Severity::Critical).impact, 10.0);
        assert_eq!(risk(Profile::Intended, "network", Severity::Low).impact, 2.6);
        // The agent reads metadata, the other profile reads tags.
        assert_eq!(risk(Profile::Agent, "network", Severity::Low).exposure, 1.0);
        assert_eq!(risk(Profile::Intended, "network", Severity::Low).exposure, 0.0);
    }

    #[test]
    fn score_and_probability_follow_from_the_subscores() {
        for (scanner, severity) in [("ioc", Severity::Low), ("network", Severity::Critical), ("mac", Severity::Info)] {
            let risk = assess(
                Profile::Intended,
                &Factors { pattern_only: true, seen_before: 3, ..factors(scanner, severity) },
            );
            let Subscores { impact, exposure, anomaly, confidence } = risk.subscores();
            let (score, probability) = of_shares([impact, exposure, anomaly], confidence);
            assert!((score - f64::from(risk.score)).abs() <= 0.505, "{score} {risk:?}");
            assert!((probability - risk.probability).abs() <= 2e-4, "{probability} {risk:?}");
        }
    }

    #[test]
    fn probability_takes_no_part_of_confidence_and_has_four_digits() {
        let sure = assess(Profile::Intended, &factors("ioc", Severity::Low));
        let unsure = assess(Profile::Intended, &Factors { pattern_only: true, ..factors("ioc", Severity::Low) });
        assert_eq!(sure.probability, unsure.probability);
        // raw 24: 1 / (1 + exp(3 - 3.6)) = 0.645656...
        assert_eq!(sure.probability, 0.6457);
    }
}
