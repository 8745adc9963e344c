//! How the elements of a message and the attributes of a dict are read and written.
//!
//! [`messages!`] makes a struct of each line of the message table, [`attributes!`] one of each
//! dict of known attributes. Both directions come from the one list of fields, so a layout cannot
//! be read differently than it is written.

use crate::limits::LIST_ITEMS_MAX;
use crate::wire::{Kind, Malformed, Reader, Sequence, Writer};

/// Why bytes are no message: which element or attribute, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// From the inside out.
    path: Vec<&'static str>,
    why: Malformed,
}

impl Invalid {
    /// The same, one level further out.
    #[must_use]
    pub fn within(mut self, name: &'static str) -> Self {
        self.path.push(name);
        self
    }
}

impl From<Malformed> for Invalid {
    fn from(why: Malformed) -> Self {
        Self { path: Vec::new(), why }
    }
}

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (depth, name) in self.path.iter().rev().enumerate() {
            f.write_str(if depth == 0 { "" } else { "." })?;
            f.write_str(name)?;
        }
        f.write_str(if self.path.is_empty() { "" } else { ": " })?;
        self.why.fmt(f)
    }
}

impl std::error::Error for Invalid {}

/// What stands in one place of a message or behind one key of a dict.
pub trait Element<'a>: Sized {
    /// Consumes one element.
    ///
    /// # Errors
    ///
    /// If it is malformed or of another type.
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid>;

    /// Appends one element.
    fn write<'o, W: Writer<'o>>(&self, writer: &mut W);
}

/// One or more places of a message: an element, an optional one, or the payload at the tail.
pub trait Field<'a>: Sized {
    /// Consumes what belongs to this field.
    ///
    /// # Errors
    ///
    /// If it is missing, malformed or of another type.
    fn read<R: Reader<'a>>(reader: &mut R, sequence: &mut Sequence) -> Result<Self, Invalid>;

    /// How many elements [`write`](Self::write) appends.
    fn count(&self) -> usize;

    /// Appends them.
    fn write<'o, W: Writer<'o>>(&self, writer: &mut W);
}

impl<'a, T: Element<'a>> Field<'a> for T {
    #[inline]
    fn read<R: Reader<'a>>(reader: &mut R, sequence: &mut Sequence) -> Result<Self, Invalid> {
        if !reader.more(sequence)? {
            return Err(Malformed("missing").into());
        }
        T::read(reader)
    }

    fn count(&self) -> usize {
        1
    }

    #[inline]
    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        Element::write(self, writer);
    }
}

impl<'a, T: Element<'a>> Field<'a> for Option<T> {
    fn read<R: Reader<'a>>(reader: &mut R, sequence: &mut Sequence) -> Result<Self, Invalid> {
        if !reader.more(sequence)? {
            return Ok(None);
        }
        T::read(reader).map(Some)
    }

    fn count(&self) -> usize {
        usize::from(self.is_some())
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        if let Some(element) = self {
            Element::write(element, writer);
        }
    }
}

impl<'a> Element<'a> for u64 {
    #[inline]
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        Ok(reader.integer()?)
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.integer(*self);
    }
}

impl<'a> Element<'a> for bool {
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        Ok(reader.boolean()?)
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.boolean(*self);
    }
}

impl<'a> Element<'a> for super::Text<'a> {
    #[inline]
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        Ok(reader.text()?)
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.text(self);
    }
}

/// A list of more than [`LIST_ITEMS_MAX`] items is read to its end, but what is behind the first
/// `LIST_ITEMS_MAX + 1` is not kept: by its length whoever uses it sees that it was too long.
impl<'a, T: Element<'a>> Element<'a> for Vec<T> {
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        let mut sequence = reader.list()?;
        let mut items = Self::new();
        while reader.more(&mut sequence)? {
            let item = T::read(reader)?;
            if items.len() <= LIST_ITEMS_MAX {
                items.push(item);
            }
        }
        Ok(items)
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.list(self.len());
        for item in self {
            item.write(writer);
        }
        writer.end_list();
    }
}

/// Makes the message table: a struct per line, `Message` over all of them, both directions.
macro_rules! messages {
    (<$a:lifetime> $($(#[$doc:meta])* $code:literal $name:ident $(<$l:lifetime>)? {
        $($field:ident: $type:ty),* $(,)?
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub struct $name $(<$l>)? {
                $(
                    #[expect(missing_docs, reason = "the specification's own word, in its place")]
                    pub $field: $type,
                )*
            }

            impl $(<$l>)? $name $(<$l>)? {
                /// The message's type code.
                pub const CODE: u64 = $code;

                fn write_elements<'o, W: Writer<'o>>(&self, writer: &mut W) {
                    writer.list(1 $(+ Field::count(&self.$field))*);
                    writer.integer($code);
                    $(Field::write(&self.$field, writer);)*
                    writer.end_list();
                }
            }

            impl<$a> From<$name $(<$l>)?> for Message<$a> {
                fn from(message: $name $(<$l>)?) -> Self {
                    Self::$name(message)
                }
            }
        )*

        /// One message of any type.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Message<$a> {
            $($(#[$doc])* $name($name $(<$l>)?),)*
        }

        impl<$a> Message<$a> {
            /// Its type code.
            #[must_use]
            pub const fn code(&self) -> u64 {
                match self {
                    $(Self::$name(_) => $code,)*
                }
            }

            /// Its name, as a Rust identifier.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }

            #[inline]
            fn read_elements<R: Reader<$a>>(
                code: u64,
                reader: &mut R,
                sequence: &mut Sequence,
            ) -> std::result::Result<Self, Invalid> {
                match code {
                    $($code => Ok(Self::$name($name {
                        $($field: Field::read(reader, sequence).map_err(|invalid: Invalid| {
                            invalid.within(stringify!($field)).within(stringify!($name))
                        })?,)*
                    })),)*
                    _ => Err(Malformed("unknown message type").into()),
                }
            }

            fn write_elements<'o, W: Writer<'o>>(&self, writer: &mut W) {
                match self {
                    $(Self::$name(message) => message.write_elements(writer),)*
                }
            }
        }
    };
}

/// A dict of known attributes.
pub trait Attributes<'a>: Default {
    /// Consumes the value behind `key`, if the key is known; says whether it was.
    ///
    /// # Errors
    ///
    /// If the value is malformed or of another type, or the key was met before.
    fn read_entry<R: Reader<'a>>(&mut self, key: &str, reader: &mut R) -> Result<bool, Invalid>;

    /// How many attributes are set.
    fn count(&self) -> usize;

    /// Appends those that are set.
    fn write_entries<'o, W: Writer<'o>>(&self, writer: &mut W);

    /// Whether none is set.
    fn is_empty(&self) -> bool {
        self.count() == 0
    }
}

// spec: basic/messages#extensibility — unknown attributes are ignored
impl<'a, T: Attributes<'a>> Element<'a> for T {
    #[inline]
    fn read<R: Reader<'a>>(reader: &mut R) -> Result<Self, Invalid> {
        let mut sequence = reader.dict()?;
        let mut attributes = Self::default();
        while reader.more(&mut sequence)? {
            let key = reader.key()?;
            if !attributes.read_entry(&key, reader)? {
                reader.skip()?;
            }
        }
        Ok(attributes)
    }

    fn write<'o, W: Writer<'o>>(&self, writer: &mut W) {
        writer.dict(self.count());
        self.write_entries(writer);
        writer.end_dict();
    }
}

/// Consumes the value behind `key` into its place. `null` leaves the attribute absent: where a
/// language tells `undefined` from absent, clients write attributes that were not set.
pub(super) fn read_attribute<'a, T: Element<'a>, R: Reader<'a>>(
    place: &mut Option<T>,
    key: &'static str,
    reader: &mut R,
) -> Result<bool, Invalid> {
    if reader.kind()? == Kind::Null {
        reader.skip()?;
        return Ok(true);
    }
    let value = Element::read(reader).map_err(|invalid: Invalid| invalid.within(key))?;
    match place.replace(value) {
        None => Ok(true),
        Some(_) => Err(Invalid::from(Malformed("given twice")).within(key)),
    }
}

/// Makes dicts of known attributes. Each is optional; unknown keys are skipped, a known key that
/// is met twice is an error. A group behind `+` belongs to the same dict on the wire, but stands
/// in a box of its own, for it is rarely there.
macro_rules! attributes {
    (<$a:lifetime> $($(#[$doc:meta])* $name:ident $(<$l:lifetime>)? {
        $($(#[$field_doc:meta])* $key:ident: $type:ty,)*
        $(+ $(#[$group_doc:meta])* $group:ident: $group_type:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name $(<$l>)? {
            $(
                $(#[$field_doc])*
                #[doc = concat!("\n\n(`", stringify!($key), "`)")]
                pub $key: Option<$type>,
            )*
            $(
                $(#[$group_doc])*
                pub $group: Option<Box<$group_type>>,
            )*
        }

        impl<$a> Attributes<$a> for $name $(<$l>)? {
            #[inline]
            fn read_entry<R: Reader<$a>>(
                &mut self,
                key: &str,
                reader: &mut R,
            ) -> Result<bool, Invalid> {
                match key {
                    $(name if name == name_of(stringify!($key)) => {
                        read_attribute(&mut self.$key, name_of(stringify!($key)), reader)
                    })*
                    $(name if <$group_type>::KEYS.contains(&name) => {
                        self.$group.get_or_insert_default().read_entry(key, reader)
                    })*
                    _ => Ok(false),
                }
            }

            fn count(&self) -> usize {
                0 $(+ usize::from(self.$key.is_some()))*
                    $(+ self.$group.as_ref().map_or(0, |group| group.count()))*
            }

            fn write_entries<'o, W: Writer<'o>>(&self, writer: &mut W) {
                $(if let Some(value) = &self.$key {
                    writer.key(name_of(stringify!($key)));
                    value.write(writer);
                })*
                $(if let Some(group) = &self.$group {
                    group.write_entries(writer);
                })*
            }
        }

        impl $(<$l>)? $name $(<$l>)? {
            /// The keys that are known, without those of groups.
            pub const KEYS: &'static [&'static str] = &[$(name_of(stringify!($key))),*];
        }
    )*};
}

pub(super) use {attributes, messages};
