//! Metadata values: the types that a Llama and its tokenizer need.

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
}

/// The number each type has in a file.
pub(super) mod id {
    pub(crate) const U32: u32 = 4;
    pub(crate) const I32: u32 = 5;
    pub(crate) const F32: u32 = 6;
    pub(crate) const BOOL: u32 = 7;
    pub(crate) const STRING: u32 = 8;
    pub(crate) const ARRAY: u32 = 9;
}

impl Value {
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
