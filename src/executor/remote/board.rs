//! The objects of one action, by name and type.

use std::sync::Arc;

use contract::backend::Instance;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::documents::{Attempt, Checkpoint, Intent, Lease, Outcome, Refused, Seen, Spec, Stop};
use crate::action::ActionKey;
use crate::failpoint::{self, Guard};
use crate::remote::{Condition, FailedClass, Put, Remote, RemoteError, TransferError, Version};
use crate::store::Store;

/// Bytes of the largest order that is read.
const LARGEST_SPEC: u64 = 256 << 20;

/// The objects of one action.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub remote: Arc<Remote>,
    pub key: ActionKey,
}

impl Board {
    pub(super) fn new(remote: &Arc<Remote>, key: ActionKey) -> Board {
        Board { remote: Arc::clone(remote), key }
    }

    fn name(&self, rest: &str) -> String {
        Remote::of_action(&self.key, rest)
    }

    /// The names of all objects of the action.
    pub(super) fn names(&self) -> Result<Vec<String>, RemoteError> {
        self.remote.names_below(&self.name(""))
    }

    pub(super) fn write_spec(&self, store: &Store, spec: &Spec) -> Result<(), TransferError> {
        self.remote.write_document(store, &self.name("spec.json"), &text(spec)?)
    }

    pub(super) fn spec(&self, store: &Store) -> Result<Option<Spec>, TransferError> {
        let name = self.name("spec.json");
        match self.remote.read_document(store, &name, LARGEST_SPEC)? {
            None => Ok(None),
            Some(Ok(bytes)) => Ok(Some(parse(&name, &bytes)?)),
            Some(Err(refused)) => Err(RemoteError::new(FailedClass::Invalid, refused.to_string()).into()),
        }
    }

    /// The newest attempt that somebody meant to launch; 0 where there is none.
    pub(super) fn newest(&self) -> Result<u32, RemoteError> {
        Ok(self.intents()?.last().copied().unwrap_or(0))
    }

    /// The attempts that somebody meant to launch, in order.
    pub(super) fn intents(&self) -> Result<Vec<u32>, RemoteError> {
        let names = self.remote.names_below(&self.name("intent/"))?;
        Ok(names.iter().filter_map(|name| number(name)).collect())
    }

    /// Whether this client is the one that launches the attempt.
    pub(super) fn intend(&self, intent: &Intent) -> Result<bool, RemoteError> {
        let name = self.name(&intent_name(intent.attempt));
        let unguarded = failpoint::leaves_out(Guard::IntentCondition);
        let condition = if unguarded { Condition::Any } else { Condition::Absent };
        Ok(self.remote.write_text(&name, &text(intent)?, &condition)? == Put::Made)
    }

    pub(super) fn intent(&self, attempt: u32) -> Result<Option<Intent>, RemoteError> {
        self.read(&self.name(&intent_name(attempt)))
    }

    /// How often the place had no room for the attempt.
    pub(super) fn refused(&self, attempt: u32) -> Result<u32, RemoteError> {
        let refused: Option<Refused> = self.read(&self.name(&format!("refused/{attempt:06}.json")))?;
        Ok(refused.map_or(0, |refused| refused.times))
    }

    /// A late write of a smaller count does no harm: the next launch hears an old refusal once more.
    pub(super) fn write_refused(&self, attempt: u32, times: u32) -> Result<(), RemoteError> {
        let name = self.name(&format!("refused/{attempt:06}.json"));
        self.remote.write_text(&name, &text(&Refused { times })?, &Condition::Any)?;
        Ok(())
    }

    pub(super) fn lease(&self) -> Result<Option<(Lease, Version)>, RemoteError> {
        let name = self.name("lease.json");
        let Some((text, version)) = self.remote.read_text(&name)? else { return Ok(None) };
        Ok(Some((parse(&name, text.as_bytes())?, version)))
    }

    /// Whether the lease was written.
    pub(super) fn swap_lease(&self, lease: &Lease, former: Option<Version>) -> Result<bool, RemoteError> {
        let condition = former.map_or(Condition::Absent, Condition::Version);
        Ok(self.remote.write_text(&self.name("lease.json"), &text(lease)?, &condition)? == Put::Made)
    }

    pub(super) fn attempt(&self, attempt: u32) -> Result<Option<Attempt>, RemoteError> {
        self.read(&self.name(&format!("attempt/{attempt:06}.json")))
    }

    pub(super) fn write_attempt(&self, attempt: &Attempt) -> Result<bool, RemoteError> {
        let name = self.name(&format!("attempt/{:06}.json", attempt.epoch));
        Ok(self.remote.write_text(&name, &text(attempt)?, &Condition::Absent)? == Put::Made)
    }

    /// The place's latest description of an attempt's instance, where a client recorded one.
    pub(super) fn instance(&self, attempt: u32) -> Result<Option<Instance>, RemoteError> {
        self.read(&self.name(&format!("instance/{attempt:06}.json")))
    }

    pub(super) fn write_instance(&self, instance: &Instance) -> Result<(), RemoteError> {
        let name = self.name(&format!("instance/{:06}.json", instance.attempt));
        self.remote.write_text(&name, &text(instance)?, &Condition::Any)?;
        Ok(())
    }

    /// Whether a client has told its user how the attempt ended.
    pub(super) fn is_seen(&self, attempt: u32) -> Result<bool, RemoteError> {
        Ok(self.remote.read_text(&self.name(&format!("seen/{attempt:06}.json")))?.is_some())
    }

    pub(super) fn write_seen(&self, attempt: u32) -> Result<(), RemoteError> {
        self.remote.write_text(&self.name(&format!("seen/{attempt:06}.json")), &text(&Seen {})?, &Condition::Any)?;
        Ok(())
    }

    /// Whether these pieces are there, and the end of the attempt: one request.
    pub(super) fn is_there(&self, attempt: u32, events: u64, log: u64) -> Result<There, RemoteError> {
        let names = [
            self.piece_name(Stream::Events, attempt, events),
            self.piece_name(Stream::Log, attempt, log),
            self.name(&format!("attempt/{attempt:06}.json")),
        ];
        let there = self.remote.are_there(&names)?;
        let is_there = |at: usize| there.get(at).copied().unwrap_or(false);
        Ok(There { events: is_there(0), log: is_there(1), end: is_there(2) })
    }

    pub(super) fn result(&self) -> Result<Option<Outcome>, RemoteError> {
        self.read(&self.name("result.json"))
    }

    /// Whether it is the result of this attempt that counts.
    pub(super) fn write_result(&self, outcome: &Outcome) -> Result<bool, RemoteError> {
        Ok(self.remote.write_text(&self.name("result.json"), &text(outcome)?, &Condition::Absent)? == Put::Made)
    }

    pub(super) fn drop_result(&self) -> Result<(), RemoteError> {
        self.remote.remove(&[self.name("result.json")])
    }

    pub(super) fn stop(&self, attempt: u32) -> Result<Option<Stop>, RemoteError> {
        self.read(&self.name(&format!("stop/{attempt:06}.json")))
    }

    pub(super) fn write_stop(&self, attempt: u32, stop: &Stop) -> Result<(), RemoteError> {
        self.remote.write_text(&self.name(&format!("stop/{attempt:06}.json")), &text(stop)?, &Condition::Any)?;
        Ok(())
    }

    /// A piece of an attempt's output: of its events, or of its log.
    pub(super) fn piece(&self, stream: Stream, attempt: u32, number: u64) -> Result<Option<String>, RemoteError> {
        Ok(self.remote.read_text(&self.piece_name(stream, attempt, number))?.map(|(text, _)| text))
    }

    pub(super) fn write_piece(&self, stream: Stream, attempt: u32, number: u64, text: &str) -> Result<(), RemoteError> {
        self.remote.write_text(&self.piece_name(stream, attempt, number), text, &Condition::Absent)?;
        Ok(())
    }

    fn piece_name(&self, stream: Stream, attempt: u32, number: u64) -> String {
        match stream {
            Stream::Events => self.name(&format!("events/{attempt:06}-{number:08}.jsonl")),
            Stream::Log => self.name(&format!("log/{attempt:06}-{number:08}.log")),
        }
    }

    /// Whether the attempt sent a checkpoint.
    pub(super) fn has_checkpoint_of(&self, attempt: u32) -> Result<bool, RemoteError> {
        Ok(!self.remote.names_below(&self.name(&format!("checkpoints/{attempt:06}-")))?.is_empty())
    }

    /// The checkpoints, the newest first.
    pub(super) fn checkpoints(&self) -> Result<Vec<String>, RemoteError> {
        let mut names = self.remote.names_below(&self.name("checkpoints/"))?;
        names.reverse();
        Ok(names)
    }

    pub(super) fn drop_checkpoints(&self) -> Result<(), RemoteError> {
        self.remote.remove(&self.checkpoints()?)
    }

    /// The checkpoint of this name; `None` where it is gone, or cannot be read: an earlier one serves as well.
    pub(super) fn checkpoint(&self, name: &str) -> Result<Option<Checkpoint>, RemoteError> {
        match self.read(name) {
            Err(error) if error.class == FailedClass::Invalid => Ok(None),
            read => read,
        }
    }

    pub(super) fn write_checkpoint(&self, number: u32, checkpoint: &Checkpoint) -> Result<(), RemoteError> {
        let name = self.name(&format!("checkpoints/{:06}-{number:010}.json", checkpoint.epoch));
        self.remote.write_text(&name, &text(checkpoint)?, &Condition::Absent)?;
        Ok(())
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RemoteError> {
        let Some((text, _)) = self.remote.read_text(name)? else { return Ok(None) };
        parse(name, text.as_bytes()).map(Some)
    }
}

/// Which objects of an attempt are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct There {
    pub events: bool,
    pub log: bool,
    pub end: bool,
}

/// An output stream of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Lines of events.
    Events,
    /// The log.
    Log,
}

fn text(document: &impl Serialize) -> Result<String, RemoteError> {
    serde_json::to_string(document).map_err(|error| RemoteError::new(FailedClass::Broken, error.to_string()))
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, RemoteError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("{name} cannot be read: {error}");
        let help = "another version of pipe may have written it; `pipe backend reap` ends the stage there and removes its state";
        RemoteError::new(FailedClass::Invalid, message).help(help)
    })
}

fn intent_name(attempt: u32) -> String {
    format!("intent/{attempt:06}.json")
}

/// The number in the name of an intent. A name that no client writes is passed over: nothing can be behind the largest number.
fn number(name: &str) -> Option<u32> {
    let digits = name.rsplit('/').next()?.strip_suffix(".json")?;
    let number = digits.parse().ok().filter(|number| (1..999_999).contains(number))?;
    (digits.len() == 6).then_some(number)
}
