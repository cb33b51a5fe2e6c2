//! Numbers, texts and values of a GGUF file, one after the other. A length in the file takes no memory before it is known to fit.

use std::fs::File;
use std::io::{BufReader, Read};

use super::value::id;
use super::{GgufErrorKind, TensorInfo, TensorType, Value};

/// A place in a file.
pub(super) struct Cursor<'a> {
    reader: BufReader<&'a File>,
    position: u64,
    length: u64,
}

/// The most dimensions that a tensor has.
const DIMENSIONS: u32 = 4;

impl<'a> Cursor<'a> {
    /// At the start of `file`.
    pub(super) fn new(file: &'a File) -> Result<Cursor<'a>, GgufErrorKind> {
        Ok(Cursor { reader: BufReader::new(file), position: 0, length: file.metadata()?.len() })
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the whole file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn take(&mut self, count: u64, what: &'static str) -> Result<Vec<u8>, GgufErrorKind> {
        if count > self.length - self.position {
            return Err(GgufErrorKind::Truncated(what));
        }
        let mut bytes = vec![0; count as usize];
        self.reader.read_exact(&mut bytes)?;
        self.position += count;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufErrorKind> {
        if N as u64 > self.length - self.position {
            return Err(GgufErrorKind::Truncated(what));
        }
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, GgufErrorKind> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, GgufErrorKind> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn string(&mut self) -> Result<String, GgufErrorKind> {
        let length = self.u64("a string")?;
        String::from_utf8(self.take(length, "a string")?).map_err(|_| GgufErrorKind::Text)
    }

    pub(super) fn value(&mut self) -> Result<Value, GgufErrorKind> {
        const WHAT: &str = "a value";
        Ok(match self.u32(WHAT)? {
            id::U8 => Value::Integer(u8::from_le_bytes(self.array(WHAT)?).into()),
            id::I8 => Value::Integer(i8::from_le_bytes(self.array(WHAT)?).into()),
            id::U16 => Value::Integer(u16::from_le_bytes(self.array(WHAT)?).into()),
            id::I16 => Value::Integer(i16::from_le_bytes(self.array(WHAT)?).into()),
            id::U32 => Value::U32(self.u32(WHAT)?),
            id::I32 => Value::Integer(i32::from_le_bytes(self.array(WHAT)?).into()),
            id::F32 => Value::F32(f32::from_le_bytes(self.array(WHAT)?)),
            id::BOOL => Value::Bool(self.array(WHAT)? != [0]),
            id::STRING => Value::String(self.string()?),
            id::ARRAY => self.list()?,
            // No count or size that means anything is beyond the range of i64.
            id::U64 => Value::Integer(self.u64(WHAT)?.try_into().unwrap_or(i64::MAX)),
            id::I64 => Value::Integer(i64::from_le_bytes(self.array(WHAT)?)),
            id::F64 => Value::F64(f64::from_le_bytes(self.array(WHAT)?)),
            other => return Err(GgufErrorKind::ValueType(other)),
        })
    }

    fn list(&mut self) -> Result<Value, GgufErrorKind> {
        const WHAT: &str = "an array";
        let element = self.u32(WHAT)?;
        let length = self.u64(WHAT)?;
        if element == id::STRING {
            return (0..length).map(|_| self.string()).collect::<Result<_, _>>().map(Value::Strings);
        }
        let width = id::width(element).ok_or(GgufErrorKind::ValueType(element))? as u64;
        let bytes = self.take(length.saturating_mul(width), WHAT)?;
        if element == id::I32 {
            let numbers = bytes.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            return Ok(Value::I32s(numbers.collect()));
        }
        Ok(Value::Numbers { element, bytes })
    }

    /// A tensor's entry, and where its bytes begin in the data.
    pub(super) fn tensor_info(&mut self) -> Result<(TensorInfo, u64), GgufErrorKind> {
        const WHAT: &str = "the tensor infos";
        let name = self.string()?;
        let dimensions = self.u32(WHAT)?;
        if dimensions > DIMENSIONS {
            return Err(GgufErrorKind::Truncated(WHAT));
        }
        let mut shape: Vec<u64> = (0..dimensions).map(|_| self.u64(WHAT)).collect::<Result<_, _>>()?;
        shape.reverse();
        let kind = self.u32(WHAT)?;
        let offset = self.u64(WHAT)?;
        match TensorType::from_id(kind) {
            Some(kind) => Ok((TensorInfo { name, shape, kind }, offset)),
            None => Err(GgufErrorKind::TensorType { name, kind }),
        }
    }
}
