//! What must hold of any reader and any bytes.

use gigawamp::limits::DEPTH_MAX;
use gigawamp::wire::{Kind, Malformed, Reader, Serializer};

/// What a walk has met.
#[derive(Default)]
pub struct Met {
    /// A text that begins with NUL: JSON takes it for octets.
    pub nul_text: bool,
    /// Something that only one serializer has.
    pub other: bool,
}

/// Checks that skipping and reading element by element agree; returns whether `bytes` are whole.
pub fn check<'a, R: Reader<'a>>(bytes: &'a [u8]) -> Result<Met, Malformed> {
    let skipped = skip::<R>(bytes);
    let mut met = Met::default();
    let mut reader = R::open(bytes);
    let walked = walk(&mut reader, 0, &mut met).and_then(|()| reader.end());
    match (skipped, walked) {
        (Ok(element), Ok(())) => {
            assert!(element.len() <= bytes.len());
            assert_eq!(
                skip::<R>(element),
                Ok(element),
                "what was skipped stands by itself"
            );
        }
        // Only this is taken as part of a payload and refused where it is read.
        (Ok(_), Err(Malformed(reason))) => assert!(
            [
                "the key of a dict is not a text",
                "UBJSON: an item of a typed list or dict is taken alone"
            ]
            .contains(&reason),
            "{reason}"
        ),
        (Err(reason), Ok(())) => panic!("read, but not skipped: {reason}"),
        (Err(_), Err(_)) => {}
    }
    skipped.map(|_| met)
}

fn skip<'a, R: Reader<'a>>(bytes: &'a [u8]) -> Result<&'a [u8], Malformed> {
    let mut reader = R::open(bytes);
    let element = reader.skip()?;
    reader.end()?;
    Ok(element)
}

fn walk<'a, R: Reader<'a>>(reader: &mut R, depth: u32, met: &mut Met) -> Result<(), Malformed> {
    assert!(depth <= DEPTH_MAX, "deeper than the bound");
    match reader.kind()? {
        Kind::List => {
            let mut list = reader.list()?;
            while reader.more(&mut list)? {
                walk(reader, depth + 1, met)?;
            }
        }
        Kind::Dict => {
            let mut dict = reader.dict()?;
            while reader.more(&mut dict)? {
                reader.key()?;
                walk(reader, depth + 1, met)?;
            }
        }
        Kind::Text => met.nul_text |= reader.text()?.starts_with('\0'),
        Kind::Boolean => drop(reader.boolean()?),
        Kind::Integer => {
            // Below zero or too large for reading, perhaps, but never for skipping.
            let element = reader.skip()?;
            let _ = R::open(element).integer();
        }
        Kind::Float => {
            let element = reader.skip()?;
            if let Ok(id) = R::open(element).integer() {
                assert_ne!(R::SERIALIZER, Serializer::Json, "a float is no integer");
                assert!((1 << 32..=1 << 53).contains(&id), "only a large id may be a double");
            }
        }
        Kind::Null | Kind::Binary => drop(reader.skip()?),
        Kind::Other => {
            met.other = true;
            reader.skip()?;
        }
    }
    Ok(())
}
