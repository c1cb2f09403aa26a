//! Writes RFC 8785 text. The caller gives keys in their order; the writer does the rest.

/// Builds one JSON text.
pub struct Writer {
    out: Vec<u8>,
    first: bool,
}

impl Writer {
    /// Room for that many bytes before the first reallocation.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), first: true }
    }
    /// `{`
    pub fn open(&mut self) {
        self.out.push(b'{');
        self.first = true;
    }
    /// `}`
    pub fn close(&mut self) {
        self.out.push(b'}');
        self.first = false;
    }
    /// `[`
    pub fn open_list(&mut self) {
        self.out.push(b'[');
        self.first = true;
    }
    /// `]`
    pub fn close_list(&mut self) {
        self.out.push(b']');
        self.first = false;
    }
    /// Before each item of a list.
    pub fn item(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
    }
    /// A key; its value must follow.
    pub fn key(&mut self, key: &str) {
        self.item();
        self.string(key);
        self.out.push(b':');
    }
    /// A key and text.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.string(value);
    }
    /// A key and text, if there is any.
    pub fn text_if(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }
    /// A key and a truth value.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }
    /// A key and text that is canonical JSON already.
    pub fn verbatim(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.extend_from_slice(json.as_bytes());
    }
    /// A string, escaped as RFC 8785 §3.2.2.2 wants it.
    pub fn string(&mut self, text: &str) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        self.out.push(b'"');
        let bytes = text.as_bytes();
        let mut from = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            let short = match byte {
                b'"' | b'\\' => byte,
                0x08 => b'b',
                0x09 => b't',
                0x0a => b'n',
                0x0c => b'f',
                0x0d => b'r',
                0x00..=0x1f => 0,
                _ => continue,
            };
            self.out.extend_from_slice(&bytes[from..at]);
            if short == 0 {
                self.out.extend_from_slice(b"\\u00");
                self.out.push(HEX[usize::from(byte >> 4)]);
                self.out.push(HEX[usize::from(byte & 15)]);
            } else {
                self.out.extend_from_slice(&[b'\\', short]);
            }
            from = at + 1;
        }
        self.out.extend_from_slice(&bytes[from..]);
        self.out.push(b'"');
    }
    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}
