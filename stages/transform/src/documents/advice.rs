//! What one finding asks for, by what it is: a socket, a file, a module, a setting. A correlation's tag says nothing of that: its members
//! are of several kinds.

use findings::EnrichedFinding;
use findings::place::{account, hidden, place, reach, shell};
use findings::terms::Terms;
use rules::knowledge::KNOWLEDGE;
use scan::Severity;
use serde::{Deserialize, Serialize};

use crate::documents::verdict::Rank;

/// Ports that databases serve.
const DATABASE_PORTS: [&str; 6] = ["3306", "5432", "6379", "9200", "11211", "27017"];
/// Names of miners.
const MINERS: [&str; 6] = ["xmrig", "minerd", "cpuminer", "xmr-stak", "kinsing", "kdevtmpfsi"];
/// Programs that unpack themselves into a temporary directory.
const INSTALLERS: [&str; 3] = ["setup", "install", "installer"];

/// A kind of finding that asks for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "actions.yaml says what each asks for, `asks` what it is")]
pub enum Kind {
    AttackConnection,
    AttackModule,
    ServiceRunsOddProgram,
    ContainerProgram,
    Miner,
    HiddenProgram,
    TemporaryProgram,
    DeletedProgram,
    SetuidProgram,
    SetuidInterpreter,
    SeveralHosts,
    DatabaseClient,
    AttackUnit,
    WritableFile,
    LoaderEnvironment,
    ModuleAnomaly,
    MacOff,
    MacUnconfined,
    AttackListener,
    OddListener,
    OddConnection,
    OddProgram,
    WildcardListener,
    Parameter,
}

impl Kind {
    /// The name in actions.yaml.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// Every action that a finding asks for. `shared`: a correlation joins it with the findings of other hosts.
pub fn asks(finding: &EnrichedFinding, shared: bool) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if shared {
        kinds.push(Kind::SeveralHosts);
    }
    let flag = |key: &str| get(finding, key) == Some("true");
    match finding.scanner.as_str() {
        "network" => socket(finding, &mut kinds),
        "processes" => process(finding, &mut kinds),
        "ioc" => {
            program(finding, &mut kinds);
            push(&mut kinds, flag("deleted_executable"), Kind::DeletedProgram);
            push(&mut kinds, flag("environment_issue"), Kind::LoaderEnvironment);
        }
        "suid_sgid" => {
            let known = KNOWLEDGE.packaged_suid(&finding.id);
            push(&mut kinds, !known && finding.severity >= Severity::Medium, Kind::SetuidProgram);
        }
        "world_writable" => match get(finding, "rule") {
            None | Some("path_dir_world_writable") => {
                push(&mut kinds, finding.severity >= Severity::Medium, Kind::WritableFile);
            }
            Some("setuid_interpreter") => kinds.push(Kind::SetuidInterpreter),
            Some(_) => {}
        },
        "modules" => {
            push(&mut kinds, finding.suspected, Kind::AttackModule);
            push(&mut kinds, finding.severity >= Severity::High, Kind::ModuleAnomaly);
        }
        "mac" if finding.severity >= Severity::Medium => {
            kinds.push(if flag("enabled") { Kind::MacUnconfined } else { Kind::MacOff });
        }
        "kernel_params" => push(
            &mut kinds,
            get(finding, "status") == Some("mismatch") && finding.severity >= Severity::Low,
            Kind::Parameter,
        ),
        "systemd_units" => push(&mut kinds, finding.suspected && get(finding, "unit").is_some(), Kind::AttackUnit),
        _ => {}
    }
    kinds
}

fn push(kinds: &mut Vec<Kind>, holds: bool, kind: Kind) {
    if holds {
        kinds.push(kind);
    }
}

fn get<'f>(finding: &'f EnrichedFinding, key: &str) -> Option<&'f str> {
    finding.metadata.get(key).map(String::as_str).filter(|text| !text.is_empty())
}

/// A program that few hosts have or that no package installs.
fn is_odd(finding: &EnrichedFinding) -> bool {
    let located = Terms::of_enriched(finding).executable.and_then(place);
    Rank::of(finding).is_rare() || located.is_some_and(|place| place != "packaged")
}

fn socket(finding: &EnrichedFinding, kinds: &mut Vec<Kind>) {
    let port = get(finding, "lport").unwrap_or_default();
    let outside = get(finding, "rip").and_then(reach) == Some("public");
    let local = get(finding, "lip").and_then(reach) == Some("loopback");
    let odd = is_odd(finding);
    match get(finding, "state") {
        Some("ESTABLISHED") if outside => {
            let database = DATABASE_PORTS.contains(&port);
            push(kinds, finding.suspected, Kind::AttackConnection);
            push(kinds, database, Kind::DatabaseClient);
            push(kinds, odd && !finding.suspected && !database, Kind::OddConnection);
        }
        Some("LISTEN") if !local => {
            push(kinds, finding.suspected && odd, Kind::AttackListener);
            push(kinds, odd && !finding.suspected, Kind::OddListener);
            let wildcard = get(finding, "wildcard_listen") == Some("true");
            push(kinds, wildcard && finding.severity >= Severity::Medium, Kind::WildcardListener);
        }
        _ => {}
    }
}

fn process(finding: &EnrichedFinding, kinds: &mut Vec<Kind>) {
    program(finding, kinds);
    let terms = Terms::of_enriched(finding);
    let uid = get(finding, "uid").and_then(|uid| uid.parse().ok());
    let Some(path) = terms.executable else { return };
    let name = path.rsplit('/').next().unwrap_or(path);
    let temporary = place(path) == Some("temporary");
    let service = uid.is_some_and(|uid| account(uid) == "system");
    push(kinds, finding.suspected && service && (temporary || shell(name)), Kind::ServiceRunsOddProgram);
    push(kinds, finding.suspected && get(finding, "container_id").is_some(), Kind::ContainerProgram);
    let rank = Rank::of(finding);
    push(kinds, (rank.suspected || rank.joined) && is_odd(finding) && !temporary, Kind::OddProgram);
}

/// What processes and signs of compromise ask for alike.
fn program(finding: &EnrichedFinding, kinds: &mut Vec<Kind>) {
    let terms = Terms::of_enriched(finding);
    let Some(path) = terms.executable else { return };
    let name = path.rsplit('/').next().unwrap_or(path);
    let own = terms.argv0.unwrap_or_default();
    let own_name = own.split(' ').next().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    push(kinds, MINERS.contains(&name) || MINERS.contains(&own_name), Kind::Miner);
    push(
        kinds,
        finding.suspected && path.starts_with('/') && (hidden(path) || own.starts_with('[')),
        Kind::HiddenProgram,
    );
    let temporary = place(path) == Some("temporary") && !INSTALLERS.contains(&name);
    push(kinds, temporary && (finding.suspected || finding.scanner == "ioc"), Kind::TemporaryProgram);
}
