//! Metadata values. Numbers of the types that are written here keep their type; a file may hold others.

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `u32`.
    U32(u32),
    /// `f32`.
    F32(f32),
    /// `bool`.
    Bool(bool),
    /// `string`.
    String(String),
    /// `array` of `i32`.
    I32s(Vec<i32>),
    /// `array` of `string`.
    Strings(Vec<String>),
    /// An integer of any other type.
    Integer(i64),
    /// `f64`.
    F64(f64),
    /// An array of other numbers, as its bytes: nothing here looks at one.
    Numbers {
        /// The type of an element.
        element: u32,
        /// The elements.
        bytes: Vec<u8>,
    },
}

/// The number each type has in a file.
pub(super) mod id {
    pub(crate) const U8: u32 = 0;
    pub(crate) const I8: u32 = 1;
    pub(crate) const U16: u32 = 2;
    pub(crate) const I16: u32 = 3;
    pub(crate) const U32: u32 = 4;
    pub(crate) const I32: u32 = 5;
    pub(crate) const F32: u32 = 6;
    pub(crate) const BOOL: u32 = 7;
    pub(crate) const STRING: u32 = 8;
    pub(crate) const ARRAY: u32 = 9;
    pub(crate) const U64: u32 = 10;
    pub(crate) const I64: u32 = 11;
    pub(crate) const F64: u32 = 12;

    /// Bytes of a number of type `id`.
    pub(crate) fn width(id: u32) -> Option<usize> {
        match id {
            U8 | I8 | BOOL => Some(1),
            U16 | I16 => Some(2),
            U32 | I32 | F32 => Some(4),
            U64 | I64 | F64 => Some(8),
            _ => None,
        }
    }
}

impl Value {
    /// The integer it is.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Value::U32(value) => Some(i64::from(*value)),
            Value::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The number it is.
    pub fn number(&self) -> Option<f64> {
        match self {
            Value::F32(value) => Some(f64::from(*value)),
            Value::F64(value) => Some(*value),
            other => other.integer().map(|value| value as f64),
        }
    }

    /// The text it is.
    pub fn text(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// Appends the type and the value to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::U32(value) => {
                out.extend(id::U32.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Value::F32(value) => {
                out.extend(id::F32.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Value::Bool(value) => {
                out.extend(id::BOOL.to_le_bytes());
                out.push(u8::from(*value));
            }
            Value::String(value) => {
                out.extend(id::STRING.to_le_bytes());
                encode_string(value, out);
            }
            Value::I32s(values) => {
                encode_array(id::I32, values.len(), out);
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Value::Integer(value) => {
                out.extend(id::I64.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Value::F64(value) => {
                out.extend(id::F64.to_le_bytes());
                out.extend(value.to_le_bytes());
            }
            Value::Numbers { element, bytes } => {
                encode_array(*element, bytes.len() / id::width(*element).unwrap_or(1), out);
                out.extend(bytes);
            }
            Value::Strings(values) => {
                encode_array(id::STRING, values.len(), out);
                values.iter().for_each(|value| encode_string(value, out));
            }
        }
    }
}

/// Appends the length and the bytes of `text`.
pub(super) fn encode_string(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn encode_array(element: u32, length: usize, out: &mut Vec<u8>) {
    out.extend(id::ARRAY.to_le_bytes());
    out.extend(element.to_le_bytes());
    out.extend((length as u64).to_le_bytes());
}
