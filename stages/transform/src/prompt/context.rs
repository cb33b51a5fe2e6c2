//! What a finding is on a host of its role: a web server that listens on 443 does what it is for, a workstation does not.

use findings::EnrichedFinding;
use findings::terms::Terms;
use rules::role;

/// In words; none where no role speaks for the thing. It follows from the role and from the program, port, module or unit, which prompts
/// show.
pub(crate) fn of(finding: &EnrichedFinding) -> Option<String> {
    let terms = Terms::of_enriched(finding);
    let outside = finding.metadata.get("state").is_some_and(|state| state == "LISTEN")
        && !finding.metadata.get("lip").is_some_and(|address| address.starts_with("127.") || address == "::1");
    if finding.scanner == "network" && !outside {
        return None;
    }
    let roles = role::spoken_for(&terms);
    let first = roles.first()?;
    Some(match roles.contains(&finding.host_role.as_str()) {
        true => format!("usual on a {}", role::in_words(&finding.host_role)),
        false => format!("usual on a {}, not here", role::in_words(first)),
    })
}
