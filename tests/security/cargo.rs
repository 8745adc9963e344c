//! Payloads by chance, in every form that a serializer allows, not only in those that encoders
//! choose.

use gigawamp::wire::Serializer;

/// A source of chance that gives the same every time.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    /// A number below `bound`.
    pub(crate) const fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    /// One of some octet strings.
    fn pick<'p>(&mut self, from: &[&'p [u8]]) -> &'p [u8] {
        from[self.below(from.len() as u64) as usize]
    }

    /// A list of arguments.
    pub(crate) fn arguments(&mut self, serializer: Serializer) -> Vec<u8> {
        let mut out = Vec::new();
        self.list(serializer, 0, &mut out);
        out
    }

    /// A dict of keyword arguments.
    pub(crate) fn keywords(&mut self, serializer: Serializer) -> Vec<u8> {
        let mut out = Vec::new();
        self.dict(serializer, 0, &mut out);
        out
    }

    fn element(&mut self, serializer: Serializer, depth: u32, out: &mut Vec<u8>) {
        match self.below(8) {
            0 if depth < 5 => self.list(serializer, depth + 1, out),
            1 if depth < 5 => self.dict(serializer, depth + 1, out),
            _ => out.extend_from_slice(self.pick(scalars(serializer))),
        }
    }

    fn list(&mut self, serializer: Serializer, depth: u32, out: &mut Vec<u8>) {
        let count = self.below(6);
        self.begin(serializer, false, count, out);
        for number in 0..count {
            self.separate(serializer, number, out);
            self.element(serializer, depth, out);
        }
        self.end(serializer, b']', out);
    }

    fn dict(&mut self, serializer: Serializer, depth: u32, out: &mut Vec<u8>) {
        let count = self.below(4);
        self.begin(serializer, true, count, out);
        for number in 0..count {
            self.separate(serializer, number, out);
            out.extend_from_slice(self.pick(keys(serializer)));
            if serializer == Serializer::Json {
                out.extend_from_slice(self.pick(&[b":", b" : ", b":\n"]));
            }
            self.element(serializer, depth, out);
        }
        self.end(serializer, b'}', out);
    }

    /// The head of a list or dict, in any form.
    fn begin(&mut self, serializer: Serializer, dict: bool, count: u64, out: &mut Vec<u8>) {
        let (short, form) = (count as u8, self.below(3));
        let head: &[u8] = match (serializer, dict, form) {
            (Serializer::Json | Serializer::Ubjson, false, _) => b"[",
            (Serializer::Json | Serializer::Ubjson, true, _) => b"{",
            (Serializer::MessagePack, false, 0) => &[0x90 | short],
            (Serializer::MessagePack, false, 1) => &[0xDC, 0, short],
            (Serializer::MessagePack, false, _) => &[0xDD, 0, 0, 0, short],
            (Serializer::MessagePack, true, 0) => &[0x80 | short],
            (Serializer::MessagePack, true, 1) => &[0xDE, 0, short],
            (Serializer::MessagePack, true, _) => &[0xDF, 0, 0, 0, short],
            (Serializer::Cbor, false, 0) => &[0x80 | short],
            (Serializer::Cbor, false, 1) => &[0x98, short],
            (Serializer::Cbor, false, _) => &[0x9B, 0, 0, 0, 0, 0, 0, 0, short],
            (Serializer::Cbor, true, 0) => &[0xA0 | short],
            (Serializer::Cbor, true, 1) => &[0xB9, 0, short],
            (Serializer::Cbor, true, _) => &[0xBA, 0, 0, 0, short],
        };
        out.extend_from_slice(head);
    }

    fn separate(&mut self, serializer: Serializer, number: u64, out: &mut Vec<u8>) {
        if serializer == Serializer::Json {
            let comma: [&[u8]; 3] =
                if number > 0 { [b",", b", ", b" ,\t"] } else { [b"", b" ", b"\n"] };
            out.extend_from_slice(self.pick(&comma));
        }
    }

    fn end(&mut self, serializer: Serializer, bracket: u8, out: &mut Vec<u8>) {
        if matches!(serializer, Serializer::Json | Serializer::Ubjson) {
            out.push(bracket);
        }
    }
}

fn scalars(serializer: Serializer) -> &'static [&'static [u8]] {
    match serializer {
        Serializer::Json => JSON,
        Serializer::MessagePack => MSGPACK,
        Serializer::Cbor => CBOR,
        Serializer::Ubjson => UBJSON,
    }
}

const JSON: &[&[u8]] = &[
    b"0",
    b"-0",
    b"-7",
    b"1e3",
    b"1E+03",
    b"0.10",
    b"123456789012345678901234567890",
    b"true",
    b"false",
    b"null",
    b"\"\"",
    b"\"\\u0041\\/\\n\"",
    b"\"\\ud83d\\ude00\"",
    b"\"gr\xC3\xBC\xC3\x9Fe\"",
    b"\"\\u0000YQ==\"",
];

const MSGPACK: &[&[u8]] = &[
    b"\x00",
    b"\xE0",
    b"\xCC\x01",
    b"\xCD\x00\x01",
    b"\xCE\x00\x00\x00\x01",
    b"\xCF\x00\x00\x00\x00\x00\x00\x00\x01",
    b"\xD0\x01",
    b"\xD3\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
    b"\xCA\x7F\xC0\x00\x01",
    b"\xCB\x3F\xF0\x00\x00\x00\x00\x00\x00",
    b"\xC0",
    b"\xC2",
    b"\xC3",
    b"\xA0",
    b"\xD9\x01a",
    b"\xDA\x00\x01a",
    b"\xDB\x00\x00\x00\x01a",
    b"\xC4\x02\x00\xFF",
    b"\xC5\x00\x01\x80",
    b"\xD4\x05\x01",
    b"\xC7\x03\x09abc",
    b"\xD6\xFF\x00\x00\x00\x00",
];

const CBOR: &[&[u8]] = &[
    b"\x00",
    b"\x18\x01",
    b"\x19\x00\x01",
    b"\x1B\x00\x00\x00\x00\x00\x00\x00\x01",
    b"\x20",
    b"\x38\x00",
    b"\xF9\x3C\x00",
    b"\xFA\x7F\xC0\x00\x01",
    b"\xFB\x3F\xF0\x00\x00\x00\x00\x00\x00",
    b"\xF4",
    b"\xF5",
    b"\xF6",
    b"\xF7",
    b"\xE0",
    b"\xF8\xFF",
    b"\x60",
    b"\x78\x01a",
    b"\x7F\x61a\x60\xFF",
    b"\x42\x00\xFF",
    b"\x5F\x41\x00\xFF",
    b"\xC1\x1A\x00\x00\x00\x01",
    b"\xD8\x20\x61a",
    b"\x9F\x01\xFF",
    b"\xBF\x61a\x01\xFF",
];

const UBJSON: &[&[u8]] = &[
    b"Z",
    b"T",
    b"F",
    b"i\x01",
    b"U\xFF",
    b"I\x00\x01",
    b"l\x00\x00\x00\x01",
    b"L\x00\x00\x00\x00\x00\x00\x00\x01",
    b"d\x7F\xC0\x00\x01",
    b"D\x3F\xF0\x00\x00\x00\x00\x00\x00",
    b"HU\x031e3",
    b"Ca",
    b"Si\x00",
    b"SU\x01a",
    b"SI\x00\x01a",
    b"[$U#i\x02\x00\xFF",
    b"[#U\x01Z",
    b"{#i\x01i\x01aT",
];

fn keys(serializer: Serializer) -> &'static [&'static [u8]] {
    match serializer {
        Serializer::Json => &[b"\"a\"", b"\"\\u0062\"", b"\"\"", b"\"\xC3\xBC\""],
        Serializer::MessagePack => {
            &[b"\xA1a", b"\xD9\x01b", b"\xDA\x00\x00", b"\xDB\x00\x00\x00\x01c"]
        }
        Serializer::Cbor => &[b"\x61a", b"\x78\x01b", b"\x79\x00\x00", b"\x7F\x61c\xFF"],
        Serializer::Ubjson => &[b"i\x01a", b"U\x01b", b"I\x00\x00", b"l\x00\x00\x00\x01c"],
    }
}
