//! Stories: the attack chains and benign look-alikes that a host has, with every name in them settled.

use std::collections::BTreeMap;

use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::{Choices, Mac, MacChange, Place, TABLES, Template, Trace};

/// Positions of draws that belong to a whole template lie from here on, those of its steps below.
const WHOLE: u32 = 1 << 16;

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
    names: BTreeMap<String, String>,
}

/// The stories of a host: look-alikes by their share, and a chain on `attack_rate` of the hosts.
pub(crate) fn stories(host: &Host, attack_rate: f64) -> Vec<Story> {
    let streams = host.streams(Purpose::Story);
    let scans = host.moments.len() as u32;
    let mut all = Vec::new();
    for (template, slot) in TABLES.lookalikes.iter().zip(0..) {
        let mut draw = streams.at2(slot, WHOLE);
        if fits(template, host) && draw.chance(template.share) {
            let begin = if draw.chance(600) { 0 } else { draw.below(scans) };
            all.push(Story::new(template, slot, None, begin, host));
        }
    }
    let mut draw = streams.at(u64::MAX);
    if draw.share(attack_rate) {
        let chosen = draw.weighted(&TABLES.chains, |template| if fits(template, host) { template.weight } else { 0 });
        if let Some(template) = chosen {
            let slot = TABLES.lookalikes.len() as u32;
            let chain_id = format!("chain-{:05}-0", host.index);
            all.push(Story::new(template, slot, Some(chain_id), draw.below(scans), host));
        }
    }
    all
}

fn fits(template: &Template, host: &Host) -> bool {
    let role = template.roles.is_empty() || template.roles.contains(&host.role.name);
    let service = template.needs.is_empty() || needed(template, host).is_some();
    let traces = template.steps.iter().all(|step| match &step.leaves {
        Trace::Mac(trace) => match trace.change {
            MacChange::SelinuxPermissive => host.mac() == Some(Mac::Selinux),
            MacChange::ApparmorOff => host.mac() == Some(Mac::Apparmor),
            MacChange::Weakened => host.mac().is_some(),
        },
        Trace::Module(_) => !host.container,
        Trace::Process(trace) => trace.place == Place::Host || host.running.iter().any(|r| r.container.is_some()),
        _ => true,
    });
    role && service && traces
}

fn needed(template: &Template, host: &Host) -> Option<usize> {
    host.running.iter().position(|r| r.container.is_none() && template.needs.contains(&r.service.name))
}

impl Story {
    fn new(template: &'static Template, slot: u32, chain_id: Option<String>, begin: u32, host: &Host) -> Story {
        let mut draw = host.streams(Purpose::Story).at2(slot, WHOLE + 1);
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
        Story { template, chain_id, begin, service: needed(template, host), container, slot, names }
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
                Trace::Alter(_) | Trace::Socket(_) | Trace::Expose(_) | Trace::Mac(_) => vec![],
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
