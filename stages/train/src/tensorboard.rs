//! The curves of a training as TensorBoard reads them: one file of records, each a serialized `Event` of TensorFlow.
//!
//! Tags are those of transformers' Trainer, whose directory `runs` the model's page on a hub shows. A file holds no clock reading, so that
//! the artifact is the same whenever it is made again: the time of an event is its step, in seconds.

use std::path::Path;

use contract::StageError;
use contract::stage::At;
use formats::history::History;

/// Where event files lie in the directory of a model.
pub const DIRECTORY: &str = "runs";

/// TensorBoard looks for `tfevents` in names.
const FILE: &str = "events.out.tfevents.0.pipe";

/// Writes the curves of `history` into `directory`.
pub fn write(history: &History, directory: &Path) -> Result<(), StageError> {
    std::fs::create_dir_all(directory).at(directory)?;
    let path = directory.join(FILE);
    std::fs::write(&path, records(history)).at(&path)
}

fn records(history: &History) -> Vec<u8> {
    let mut bytes = record(&event(0, &bytes_field(3, b"brain.Event:2")));
    let mut evaluations = history.evaluations.iter().peekable();
    for point in &history.steps {
        let values =
            [("train/loss", point.loss), ("train/learning_rate", point.rate), ("train/grad_norm", point.gradient_norm)];
        bytes.extend(record(&event(point.step, &summary(&values))));
        while let Some(evaluation) = evaluations.next_if(|evaluation| evaluation.step <= point.step) {
            bytes.extend(record(&event(evaluation.step, &summary(&[("eval/loss", evaluation.loss)]))));
        }
    }
    bytes
}

/// A record: length, checksum of the length, content, checksum of the content.
fn record(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c(bytes)).to_le_bytes();
    [&length[..], &checksum(&length), content, &checksum(content)].concat()
}

/// An `Event`: `wall_time` (1), `step` (2), and what happened.
fn event(step: u64, what: &[u8]) -> Vec<u8> {
    let wall_time = [&[1 << 3 | 1][..], &(step as f64).to_le_bytes()[..]].concat();
    let step = [&[2 << 3][..], &varint(step)].concat();
    [&wall_time, &step, what].concat()
}

/// The field `summary` (5) of an event: a `Value` (1) for each figure, with its `tag` (1) and its `simple_value` (2), a float.
fn summary(figures: &[(&str, f64)]) -> Vec<u8> {
    let values = figures.iter().flat_map(|(tag, value)| {
        let number = [&[2 << 3 | 5][..], &(*value as f32).to_le_bytes()[..]].concat();
        bytes_field(1, &[bytes_field(1, tag.as_bytes()), number].concat())
    });
    bytes_field(5, &values.collect::<Vec<_>>())
}

/// A field of bytes: its number with the wire type 2, how many there are, and they.
fn bytes_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

/// Seven bits a byte, the lowest first; all but the last byte have the highest bit.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// CRC-32C (Castagnoli), as RFC 3720 has it.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Records hold checksums in this form, since the checksum of bytes that hold their own checksum says little.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720, B.4.
    #[test]
    fn checksums_are_those_of_the_standard() {
        let rising: Vec<u8> = (0..32).collect();
        let cases = [(&[0; 32][..], 0x8a91_36aa), (&[0xff; 32], 0x62a8_ab43), (&rising, 0x46dd_794e)];
        for (bytes, expected) in cases {
            assert_eq!(crc32c(bytes), expected);
        }
    }

    #[test]
    fn numbers_are_written_seven_bits_a_byte() {
        for (number, bytes) in [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])] {
            assert_eq!(varint(number), bytes);
        }
    }
}
