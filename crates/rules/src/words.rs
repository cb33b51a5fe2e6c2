//! The words that the tables know: of programs, modules, units, tools and signs. A name that is one of them tells nobody.

/// The tables as they are written.
const TABLES: [&str; 8] = [
    include_str!("../knowledge/roles.yaml"),
    include_str!("../knowledge/signs.yaml"),
    include_str!("../knowledge/suid_packaged.yaml"),
    include_str!("../knowledge/agent/modules.yaml"),
    include_str!("../knowledge/agent/ports.yaml"),
    include_str!("../knowledge/agent/rarity.yaml"),
    include_str!("../knowledge/attack/tools.yaml"),
    include_str!("../knowledge/attack/traces.yaml"),
];

/// Texts whose words are known, without what the tables say to people.
pub fn known() -> impl Iterator<Item = &'static str> {
    TABLES.into_iter().flat_map(str::lines).filter(|line| !line.starts_with('#'))
}
