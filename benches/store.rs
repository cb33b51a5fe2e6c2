//! The cost of store operations: `cargo bench --bench store [DIRECTORY]`, in a directory on the filesystem to measure.
//!
//! Each line is one operation, wall-clock and CPU time of the whole process. Plain timing: the operations take milliseconds
//! to seconds and touch the disk, so repetitions by a statistics harness would not measure the same thing twice.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use contract::types::Form;
use contract::{Digest, Usage};
use pipe::action::{self, Action, ActionKey, ActionScript, ActionWork};
use pipe::store::{Artifact, Durability, Lookup, Placement, Published, RECORD_FORMAT, Record, Store};

const FILES: usize = 10_000;
const STAGES: usize = 1_000;
const LARGE: usize = 1 << 30;

fn main() {
    let parent =
        std::env::args().skip(1).find(|word| !word.starts_with('-')).map_or(std::env::temp_dir(), PathBuf::from);
    let directory = tempfile::tempdir_in(&parent).expect("a temporary directory");
    let bench = Bench { root: directory.path().to_owned() };
    bench.tree();
    bench.stages();
    bench.large();
}

struct Bench {
    root: PathBuf,
}

impl Bench {
    fn open(&self) -> Store {
        Store::open(&self.root.join("cache")).expect("a store")
    }

    fn publish(&self, store: &Store, artifact: &Artifact, name: &str) -> Published {
        let destination = self.root.join("out").join(name);
        store.publish(artifact, &destination, &self.root.join("displaced")).expect("published")
    }

    fn tree(&self) {
        let (made, source) = (self.root.join("made"), self.root.join("source"));
        write_tree(&made);
        write_tree(&source);
        let store = self.open();
        let tree = time("tree of 10,000 x 1 KiB: adopt", || store.adopt(&made, Form::Dir).expect("adopted"));
        time("  publish", || assert_eq!(self.publish(&store, &tree, "tree"), Published::Placed));
        time("  materialize", || {
            store.materialize(&tree, &self.root.join("in"), Placement::Cheapest).expect("materialized")
        });
        time("  check and publish again", || {
            store.check(&tree).expect("checked");
            assert_eq!(self.publish(&store, &tree, "tree"), Published::Unchanged);
        });
        time("  ingest a copy of it", || assert_eq!(store.ingest(&source, Form::Dir).expect("ingested"), tree));
        time("  ingest it again", || store.ingest(&source, Form::Dir).expect("ingested"));
        time("  save the memo", || store.save_memo().expect("saved"));
        let store = time("  open, 10,000 rows", || self.open());
        time("  check and publish again, new process", || {
            store.check(&tree).expect("checked");
            assert_eq!(self.publish(&store, &tree, "tree"), Published::Unchanged);
        });
        time("  ingest again, new process", || assert_eq!(store.ingest(&source, Form::Dir).expect("ingested"), tree));
    }

    fn stages(&self) {
        let store = self.open();
        let work = store.work_dir("stage").expect("a work directory");
        let keys: Vec<ActionKey> = (0..STAGES).map(|n| ActionKey::new(Digest::of(&n.to_le_bytes()))).collect();
        let name = |n: usize| format!("stage{n}/out");
        time("1,000 stages: lock, adopt, publish, record", || {
            for (n, key) in keys.iter().enumerate() {
                let _lock = store.lock_action(key, "run", &[]).expect("locked");
                let path = work.join(n.to_string());
                fs::write(&path, format!("output {n}")).expect("written");
                let artifact = store.adopt(&path, Form::File).expect("adopted");
                store.put_record(&record(*key, &artifact), Durability::Relaxed).expect("recorded");
                self.publish(&store, &artifact, &name(n));
                store.set_last("bench", &format!("stage{n}"), key);
            }
        });
        time("  save", || store.save_memo().expect("saved"));
        let replay = |label: &str, wanted: Published| {
            let store = self.open();
            time(label, || {
                for (n, key) in keys.iter().enumerate() {
                    let Lookup::Hit(record) = store.record(key).expect("looked up") else { panic!("a miss") };
                    assert_eq!(self.publish(&store, &record.outputs["out"], &name(n)), wanted);
                    store.set_last("bench", &format!("stage{n}"), key);
                }
            });
        };
        replay("  no-op", Published::Unchanged);
        for n in 0..STAGES {
            fs::remove_file(self.root.join("out").join(name(n))).expect("removed");
        }
        replay("  outputs removed", Published::Placed);
    }

    fn large(&self) {
        let (made, source) = (self.root.join("large"), self.root.join("large-source"));
        let bytes: Vec<u8> = (0..LARGE).map(|at| (at >> 12) as u8 ^ at as u8).collect();
        fs::write(&made, &bytes).expect("written");
        fs::write(&source, &bytes).expect("written");
        drop(bytes);
        let store = self.open();
        let file = time("file of 1 GiB: adopt", || store.adopt(&made, Form::File).expect("adopted"));
        time("  publish", || self.publish(&store, &file, "large"));
        time("  check and publish again", || {
            store.check(&file).expect("checked");
            assert_eq!(self.publish(&store, &file, "large"), Published::Unchanged);
        });
        time("  ingest a copy of it", || black_box(store.ingest(&source, Form::File).expect("ingested")));
        time("  ingest it again", || black_box(store.ingest(&source, Form::File).expect("ingested")));
    }
}

fn write_tree(root: &Path) {
    for n in 0..FILES {
        let directory = root.join(format!("part-{:02}", n % 100));
        if n < 100 {
            fs::create_dir_all(&directory).expect("made");
        }
        let content = format!("{n:08}").repeat(128);
        fs::write(directory.join(format!("file-{n:05}.json")), content).expect("written");
    }
}

fn record(key: ActionKey, output: &Artifact) -> Record {
    let work = ActionWork::Command {
        script: ActionScript::Shell("sort in/names > out/sorted.txt".to_owned()),
        environment: BTreeMap::from([("LANG".to_owned(), Some("C.UTF-8".to_owned()))]),
        outputs: BTreeMap::from([("out".to_owned(), ("out/sorted.txt".to_owned(), contract::Type::FILE))]),
        in_workspace: false,
        tools: BTreeMap::new(),
    };
    Record {
        format: RECORD_FORMAT,
        key,
        action: Action { format: action::FORMAT, work, inputs: BTreeMap::new() },
        outputs: BTreeMap::from([("out".to_owned(), output.clone())]),
        metrics: BTreeMap::new(),
        usage: Usage::default(),
        host: "host".to_owned(),
        backend: "local".to_owned(),
        run: "run".to_owned(),
        stage: "stage".to_owned(),
        finished_at: 0,
        source: None,
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
fn time<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (begun, cpu) = (Instant::now(), cpu_time());
    let result = run();
    let (wall, cpu) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
    println!("{what:55} {:9.2} ms {:9.2} ms CPU", wall.as_secs_f64() * 1e3, cpu.as_secs_f64() * 1e3);
    result
}

/// Of all threads that are alive; those of rayon stay.
fn cpu_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    let of_task = |task: fs::DirEntry| -> u64 {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(tasks.flatten().map(of_task).sum())
}
