//! Stories: the attack chains and benign look-alikes that a host has, with every name in them settled.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use draws::Stream;

use crate::host::{Host, ModuleMode};
use crate::network::{self, Hop};
use crate::params::ProduceParams;
use crate::stream::{Purpose, Streams};
use crate::tables::{Choices, Mac, MacChange, Place, Remote, Step, TABLES, Template, Trace};
use crate::world::remote_address;

/// Positions of draws that belong to a whole template lie from here on, those of its steps below.
const WHOLE: u32 = 1 << 16;

/// Share of stories, per mille, that were there before anyone looked.
const THERE: u32 = 600;

/// A scan of so many unit files is one of all.
const MANY_UNITS: u32 = 100;

/// A template come true on a host.
pub(crate) struct Story {
    pub template: &'static Template,
    /// Of a chain; a look-alike has none.
    pub chain_id: Option<String>,
    /// The scan before which it began.
    pub begin: u32,
    /// Index of the daemon that the template needs.
    pub service: Option<usize>,
    /// Index of a daemon whose container the story reaches.
    pub container: Option<usize>,
    /// Its place among all templates, which positions its draws.
    pub slot: u32,
    /// The streams that settle what it is: the host's, or those of the network whose hosts it spans.
    pub streams: Streams,
    /// The host's place in what spans several.
    pub hop: Option<Hop>,
    /// Where in the world its connections go to or come from.
    pub server: Ipv4Addr,
    names: BTreeMap<String, String>,
}

/// The stories of a host: look-alikes by their share, and a chain on `attack_rate` of the hosts.
pub(crate) fn stories(host: &Host, params: &ProduceParams) -> Vec<Story> {
    let mut all = Vec::new();
    for (template, slot) in TABLES.lookalikes.iter().zip(0..) {
        all.extend(lookalike(template, slot, host, params.noise.lookalikes));
    }
    all.extend(chain(host, params.attack_rate));
    all
}

fn lookalike(template: &'static Template, slot: u32, host: &Host, factor: f64) -> Option<Story> {
    let spans = template.hosts[1] > 1;
    let streams = if spans { network::streams(host.seed, host.index) } else { host.streams(Purpose::Story) };
    let mut draw = streams.at2(slot, WHOLE);
    // Neighbours draw alike, so the coin is tossed whether or not the template fits.
    let happens = draw.share(f64::from(template.share) * factor / 1000.0);
    if !happens || !fits(template, host) {
        return None;
    }
    let begin = begin(host, &mut draw);
    let hop = spans.then(|| network::star(host, &mut draw));
    Some(Story::new(template, Origin { chain_id: None, begin, slot, streams, hop }, host))
}

fn chain(host: &Host, attack_rate: f64) -> Option<Story> {
    let slot = TABLES.lookalikes.len() as u32;
    let mut draw = network::attacked(host, attack_rate)?;
    let id = |entry: u32| Some(format!("chain-{entry:05}-0"));
    if let Some(campaign) = network::campaign(host, attack_rate) {
        let streams = network::streams(host.seed, host.index);
        let chain_id = id(campaign.entry);
        let origin = Origin { chain_id, begin: campaign.begin, slot, streams, hop: Some(campaign.hop) };
        return Some(Story::new(campaign.template, origin, host));
    }
    let alone = |template: &Template| template.hosts[1] == 1 && fits(template, host);
    let chosen = draw.weighted(&TABLES.chains, |template| if alone(template) { weight(template, host) } else { 0 });
    let begin = begin(host, &mut draw);
    let streams = host.streams(Purpose::Story);
    Some(Story::new(chosen?, Origin { chain_id: id(host.index), begin, slot, streams, hop: None }, host))
}

/// The scan before which a story begins: most were there before the first, the others come at any time.
pub(crate) fn begin(host: &Host, draw: &mut Stream) -> u32 {
    if draw.chance(THERE) { 0 } else { draw.below(host.moments.len() as u32) }
}

/// In which proportion stories begin before scan `at`, and at or before it.
pub(crate) fn begun(at: u32, scans: u32) -> [u32; 2] {
    let new = 1000 - THERE;
    [if at == 0 { THERE * scans + new } else { new }, THERE * scans + new * (at + 1)]
}

/// How often a template is chosen on a host, beside others. As with processes, where lists are long there must be more to find:
/// a list of all modules or units says little of each, while one of three anomalies would be an attack's every other time.
fn weight(template: &Template, host: &Host) -> u32 {
    let times = |step: &Step| match step.leaves {
        Trace::Module(_) if host.module_mode == ModuleMode::List => Some(10),
        Trace::Module(_) => Some(1),
        Trace::Unit(_) if host.mode.units[1] >= MANY_UNITS => Some(60),
        _ => None,
    };
    template.weight * template.steps.iter().find_map(times).unwrap_or(4)
}

/// Whether a host can show a template.
pub(crate) fn fits(template: &Template, host: &Host) -> bool {
    let role = template.roles.is_empty() || template.roles.contains(&host.role.name);
    let service = template.needs.is_empty() || needed(template, host).is_some();
    let traces = template.steps.iter().all(|step| match &step.leaves {
        // Left out where there is nothing to weaken.
        Trace::Mac(_) if step.chance < 1000 => true,
        Trace::Mac(trace) => match trace.change {
            MacChange::SelinuxPermissive | MacChange::SelinuxOff => host.mac() == Some(Mac::Selinux),
            MacChange::ApparmorOff | MacChange::ApparmorComplaining => host.mac() == Some(Mac::Apparmor),
            MacChange::Weakened => host.mac().is_some(),
        },
        Trace::Module(_) | Trace::Unit(_) => !host.container,
        Trace::Process(trace) => trace.place == Place::Host || host.running.iter().any(|r| r.container.is_some()),
        _ => true,
    });
    role && service && traces
}

fn needed(template: &Template, host: &Host) -> Option<usize> {
    host.running.iter().position(|r| r.container.is_none() && template.needs.contains(&r.service.name))
}

/// Where a story comes from.
struct Origin {
    chain_id: Option<String>,
    begin: u32,
    slot: u32,
    streams: Streams,
    hop: Option<Hop>,
}

impl Story {
    fn new(template: &'static Template, origin: Origin, host: &Host) -> Story {
        let Origin { chain_id, begin, slot, streams, hop } = origin;
        let mut draw = streams.at2(slot, WHOLE + 1);
        let mut names = BTreeMap::from([
            ("user".to_owned(), host.users[0].to_owned()),
            ("word".to_owned(), draw.pick(&TABLES.networks.words).clone()),
            ("hex".to_owned(), format!("{:06x}", draw.below(1 << 24))),
        ]);
        for (name, choices) in &template.bindings.0 {
            let value = expand(draw.pick::<String>(&choices.0), &names);
            names.insert(name.clone(), value);
        }
        let contained: Vec<usize> = (0..host.running.len()).filter(|i| host.running[*i].container.is_some()).collect();
        let container = (!contained.is_empty()).then(|| *draw.pick(&contained));
        let server = remote_address(Remote::Public, host, &mut streams.at2(slot, WHOLE + 2));
        let service = needed(template, host);
        Story { template, chain_id, begin, service, container, slot, streams, hop, server, names }
    }

    /// One of the choices, with its names filled in; the same at every scan.
    pub(crate) fn settle(&self, choices: &Choices, pick: u32) -> String {
        expand(&choices.0[pick as usize % choices.0.len()], &self.names)
    }
}

/// Replaces each `{name}` that is known.
fn expand(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(names.get(name).map_or("", String::as_str));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        let names = BTreeMap::from([("a".to_owned(), "x".to_owned()), ("b".to_owned(), "y".to_owned())]);
        assert_eq!(expand("/{a}/{b}{a}", &names), "/x/yx");
        assert_eq!(expand("plain", &names), "plain");
    }

    #[test]
    fn no_name_in_the_tables_is_unknown() {
        let texts = |template: &'static Template| -> Vec<&'static String> {
            let steps = template.steps.iter().flat_map(|step| match &step.leaves {
                Trace::Process(p) => [Some(&p.exe), p.argv0.as_ref(), p.args.as_ref()].into_iter().flatten().collect(),
                Trace::Suid(suid) => vec![&suid.path],
                Trace::Writable(writable) => vec![&writable.path],
                Trace::Param(param) => vec![&param.value],
                Trace::Module(module) => module.name.iter().collect(),
                Trace::Unit(unit) => vec![&unit.name],
                Trace::Alter(_) | Trace::Socket(_) | Trace::Expose(_) | Trace::Firmware(_) | Trace::Mac(_) => vec![],
            });
            steps.flat_map(|choices| &choices.0).collect()
        };
        for template in TABLES.chains.iter().chain(&TABLES.lookalikes) {
            let mut known = vec!["user", "word", "hex"];
            let check = |text: &str, known: &[&str]| {
                for name in text.split('{').skip(1).map(|part| part.split('}').next().unwrap()) {
                    assert!(known.contains(&name), "{}: {{{name}}}", template.name);
                }
            };
            for (name, choices) in &template.bindings.0 {
                choices.0.iter().for_each(|text| check(text, &known));
                known.push(name);
            }
            texts(template).into_iter().for_each(|text| check(text, &known));
        }
    }
}
