//! The same examples as Parquet, on request: a file for each task and split, so that one task can be loaded by itself.
//!
//! Columns are those of a line: `messages` (a list of `role` and `content`), `task`, `host`, `scan`. Each file is written by one thread, in the
//! order of its split, so its bytes do not depend on how many threads there are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use contract::stage::At;
use contract::{Context, Digest, StageError};
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use serde::Serialize;

use crate::selection::balance::Selection;
use crate::selection::split::Split;
use crate::selection::spool::{Entry, Lines};
use crate::tasks::task::Task;
use crate::writing::conversation::Conversation;

const SCHEMA: &str = "
message example {
  required group messages (LIST) {
    repeated group list {
      required group element {
        required binary role (STRING);
        required binary content (STRING);
      }
    }
  }
  required binary task (STRING);
  required binary host (STRING);
  required int64 scan;
}";

/// Examples that are held in memory before they are written.
const ROW_GROUP: usize = 4_096;

/// The directory of the files.
const DIRECTORY: &str = "parquet";

/// One file; part of the manifest.
#[derive(Debug, Serialize)]
pub struct ParquetManifest {
    /// Its name.
    pub file: String,
    /// Rows.
    pub examples: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of the file.
    pub blake3: Digest,
}

/// Files by what can be loaded by itself (a task, or the calibration set) and by split.
pub type ParquetManifests = BTreeMap<&'static str, BTreeMap<&'static str, ParquetManifest>>;

/// A file to be written.
struct Planned {
    config: &'static str,
    split: Split,
    rows: Vec<Entry>,
}

/// Writes all files that have rows into `directory`.
pub fn write(
    directory: &Path,
    selections: &BTreeMap<Split, Selection>,
    calibration: &[Entry],
    lines: &Lines,
    context: &Context,
) -> Result<ParquetManifests, StageError> {
    let of_task = |(split, selection): (&Split, &Selection), task: Task| Planned {
        config: task.name(),
        split: *split,
        rows: selection.kept.iter().filter(|entry| entry.task == task).copied().collect(),
    };
    let mut planned: Vec<Planned> =
        Task::ALL.into_iter().flat_map(|task| selections.iter().map(move |split| of_task(split, task))).collect();
    planned.push(Planned { config: "calibration", split: Split::Train, rows: calibration.to_vec() });
    planned.retain(|file| !file.rows.is_empty());
    for file in &planned {
        let path = directory.join(DIRECTORY).join(file.config);
        std::fs::create_dir_all(&path).at(&path)?;
    }
    let written = context.map(&planned, |file| file.write(directory, lines, context))?;
    let mut manifests = ParquetManifests::new();
    for (file, manifest) in planned.iter().zip(written) {
        manifests.entry(file.config).or_default().insert(file.split.name(), manifest);
    }
    Ok(manifests)
}

impl Planned {
    fn write(&self, directory: &Path, lines: &Lines, context: &Context) -> Result<ParquetManifest, StageError> {
        let file = format!("{DIRECTORY}/{}/{}.parquet", self.config, self.split.name());
        let path = directory.join(&file);
        let out = Hashed { file: File::create(&path).at(&path)?, hasher: blake3::Hasher::new(), bytes: 0 };
        let mut writer = SerializedFileWriter::new(out, schema()?, properties()).map_err(io::Error::from).at(&path)?;
        for rows in self.rows.chunks(ROW_GROUP) {
            context.check_cancelled()?;
            let group = Columns::read(rows, lines)?;
            let mut open = writer.next_row_group().map_err(io::Error::from).at(&path)?;
            group.write(&mut open).and_then(|()| open.close().map(drop)).map_err(io::Error::from).at(&path)?;
        }
        let out = writer.into_inner().map_err(io::Error::from).at(&path)?;
        Ok(ParquetManifest {
            file,
            examples: self.rows.len() as u64,
            bytes: out.bytes,
            blake3: out.hasher.finalize().into(),
        })
    }
}

fn schema() -> Result<TypePtr, StageError> {
    parse_message_type(SCHEMA).map(Arc::new).map_err(|e| StageError::bug(format!("the schema of Parquet files: {e}")))
}

/// Few texts repeat, so the writer would build a dictionary of them only to drop it.
fn properties() -> WriterPropertiesPtr {
    let texts = ColumnPath::from(["messages", "list", "element", "content"].map(str::to_owned).to_vec());
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    Arc::new(properties.set_column_dictionary_enabled(texts, false).build())
}

/// The rows of one row group, column by column.
#[derive(Default)]
struct Columns {
    roles: Vec<ByteArray>,
    contents: Vec<ByteArray>,
    /// 0 where a message begins a row, 1 where it goes on.
    repetition: Vec<i16>,
    tasks: Vec<ByteArray>,
    hosts: Vec<ByteArray>,
    scans: Vec<i64>,
}

impl Columns {
    fn read(rows: &[Entry], lines: &Lines) -> Result<Columns, StageError> {
        let mut columns = Columns::default();
        for entry in rows {
            let Conversation { messages, task, host, scan } = Conversation::read(lines, entry)?;
            for (place, message) in messages.into_iter().enumerate() {
                columns.repetition.push(i16::from(place > 0));
                columns.roles.push(message.role.into_bytes().into());
                columns.contents.push(message.content.into_bytes().into());
            }
            columns.tasks.push(task.into_bytes().into());
            columns.hosts.push(host.into_bytes().into());
            columns.scans.push(scan.into());
        }
        Ok(columns)
    }

    /// In the order of the schema.
    fn write(&self, group: &mut SerializedRowGroupWriter<'_, Hashed>) -> Result<(), ParquetError> {
        // Every message is there: a list without messages would have 0.
        let definition = vec![1; self.repetition.len()];
        let levels = Some((definition.as_slice(), self.repetition.as_slice()));
        let columns = [(&self.roles, levels), (&self.contents, levels), (&self.tasks, None), (&self.hosts, None)];
        for (values, levels) in columns {
            let Some(mut column) = group.next_column()? else {
                return Err(ParquetError::General("the schema has fewer columns than a line".to_owned()));
            };
            let (definition, repetition) = levels.unzip();
            column.typed::<ByteArrayType>().write_batch(values, definition, repetition)?;
            column.close()?;
        }
        if let Some(mut column) = group.next_column()? {
            column.typed::<Int64Type>().write_batch(&self.scans, None, None)?;
            column.close()?;
        }
        Ok(())
    }
}

/// Hashes and counts what goes into a file.
struct Hashed {
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
