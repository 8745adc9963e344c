//! Compressed, and back; and what comes of octets that nobody compressed honestly.

#![expect(clippy::indexing_slicing, reason = "a test may fail by a panic")]

use super::*;
use crate::env::Random;

const WINDOWS: [Window; Window::COUNT] = [Window::Small, Window::Usual];

/// What `plain` is compressed to, if it becomes shorter.
fn shortened(window: Window, plain: &[u8]) -> Option<Vec<u8>> {
    let mut out = [b"before", plain].concat();
    let shorter = Deflater::default().shorten(window, &mut out, 6);
    assert_eq!(&out[..6], b"before");
    let rest = out.split_off(6);
    if !shorter {
        assert_eq!(rest, plain, "what does not become shorter stays");
    }
    shorter.then_some(rest)
}

/// Text as clients send it: keys and values that come again.
fn text(length: usize) -> Vec<u8> {
    let items =
        (0..).map(|n| format!("{{\"name\":\"item {n}\",\"price\":{}}},", n * 7_919 % 1_000));
    let mut text = String::new();
    for item in items {
        if text.len() >= length {
            break;
        }
        text += &item;
    }
    text.truncate(length);
    text.into_bytes()
}

fn noise(length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    Random::from_number(7).fill(&mut octets);
    octets
}

fn inflated(deflated: &[u8]) -> Result<Vec<u8>, Fault> {
    inflate(deflated, 1 << 20)
}

// spec: rfc7692#section-7.2.3
#[test]
fn the_specifications_examples_are_read() {
    let tables: [(&[u8], &[u8]); 7] = [
        (&[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], b"Hello"),
        // Without compression.
        (&[0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], b"Hello"),
        // With a final block.
        (&[0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], b"Hello"),
        // In two blocks.
        (&[0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00], b"Hello"),
        // In two blocks that are both final.
        (
            &[
                0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00,
                0,
            ],
            b"HelloHello",
        ),
        // Nothing, in the two ways there are.
        (&[0x00], b""),
        (&[0x02, 0x00], b""),
    ];
    for (deflated, plain) in tables {
        assert_eq!(inflated(deflated).as_deref(), Ok(plain), "{deflated:02X?}");
    }
}

#[test]
fn what_refers_to_an_earlier_message_is_refused() {
    // The specification's second "Hello", which is the first one once more.
    assert_eq!(inflated(&[0xF2, 0x00, 0x11, 0x00, 0x00]), Err(BROKEN));
}

#[test]
fn what_was_compressed_is_read_again() {
    let mut deflater = Deflater::default();
    for window in WINDOWS {
        for length in [128, 129, 511, 512, 513, 4_095, 4_097, 33_000, 70_000, 1 << 20] {
            let plain = text(length);
            let mut out = plain.clone();
            assert!(deflater.shorten(window, &mut out, 0), "{length} octets");
            assert!(out.len() < length * 9 / 10, "{} of {length} octets", out.len());
            assert_eq!(inflate(&out, length).as_ref(), Ok(&plain));
            assert_eq!(inflate(&out, length - 1).map_err(|fault| fault.code), Err(1009));
        }
        let kept = deflater.deflated.capacity();
        assert!(shortened(window, &text(1 << 20)).is_some());
        assert!(deflater.shorten(window, &mut text(200), 0));
        assert!(deflater.deflated.capacity() <= SCRATCH_BYTES_KEPT, "once {kept} octets");
    }
}

#[test]
fn each_message_is_compressed_as_if_it_were_the_first() {
    let (mut deflater, plain) = (Deflater::default(), text(1_000));
    let first = shortened(Window::Usual, &plain).unwrap();
    for length in [1_000, 40_000, 1_000] {
        let mut out = text(length);
        assert!(deflater.shorten(Window::Usual, &mut out, 0));
        assert_eq!(out == first, length == 1_000);
    }
}

#[test]
fn a_window_is_never_exceeded() {
    // What comes again lies further back than the window, and is noise otherwise.
    for (window, distance) in [(Window::Small, 600), (Window::Usual, 5_000)] {
        let twice = noise(distance).repeat(2);
        assert_eq!(shortened(window, &twice), None, "{window:?}");
    }
    assert!(shortened(Window::Usual, &noise(600).repeat(2)).is_some());
}

#[test]
fn what_is_short_long_or_noise_is_left_as_it_is() {
    for window in WINDOWS {
        for plain in [text(0), text(127), noise(128), noise(70_000), text((1 << 20) + 1)] {
            assert_eq!(shortened(window, &plain), None, "{} octets", plain.len());
        }
    }
}

#[test]
fn a_cut_message_is_refused_at_every_length() {
    let deflated = shortened(Window::Usual, &text(700)).unwrap();
    for length in 0..deflated.len() {
        let fault = inflated(&deflated[..length]).map_err(|fault| fault.code);
        assert_eq!(fault, Err(1007), "{length} of {} octets", deflated.len());
    }
    for behind in [&b"\x01"[..], b"\x07", b"abc", &[0xFF; 20]] {
        let fault = inflated(&[&deflated, behind].concat()).map_err(|fault| fault.code);
        assert_eq!(fault, Err(1007), "{behind:?}");
    }
}

// spec: rfc7692#section-8
#[test]
fn a_bomb_costs_no_more_than_the_limit() {
    // Zeros, a thousandth of their length: 1 GiB of them in 1 MiB.
    let mut deflater = Compress::new(Compression::best(), false);
    let (zeros, mut piece) = (vec![0; 1 << 20], Vec::with_capacity(1 << 12));
    deflater.compress_vec(&zeros, &mut piece, FlushCompress::Full).unwrap();
    let bomb = piece.repeat(1 << 10);
    assert!((1 << 19..1 << 21).contains(&bomb.len()), "{} octets", bomb.len());
    assert_eq!(inflate(&bomb, 1 << 20).map_err(|fault| fault.code), Err(1009));
    // The same in a small piece, which fits.
    let mut small = vec![0; 1 << 20];
    assert!(Deflater::default().shorten(Window::Usual, &mut small, 0));
    assert!(small.len() < 1 << 11, "{} octets", small.len());
    let inflated = inflate(&small, 1 << 20).unwrap();
    assert_eq!(inflated.len(), 1 << 20);
    assert!(inflated.capacity() <= (1 << 20) + 1, "{} octets", inflated.capacity());
}

#[test]
fn blocks_without_octets_are_passed_over_or_refused_but_never_cost_more() {
    let stored = [0x00, 0x00, 0x00, 0xFF, 0xFF].repeat(200_000);
    assert_eq!(inflated(&[&stored[..], &[0x00]].concat()).as_deref(), Ok(&b""[..]));
    let last = |count: usize| [&END[4..].repeat(count)[..], &[0x00]].concat();
    assert_eq!(inflated(&last(16)).as_deref(), Ok(&b""[..]));
    assert_eq!(inflated(&last(17)), Err(BROKEN));
}

#[test]
fn noise_is_refused_or_stays_within_the_limit() {
    let mut random = Random::from_number(99);
    let (mut taken, template) = (0, shortened(Window::Usual, &text(400)).unwrap());
    for _ in 0..3_000 {
        let mut octets = template.clone();
        for _ in 0..random.below(4) {
            let at = usize::try_from(random.below(octets.len() as u64)).unwrap();
            octets[at] ^= 1 << random.below(8);
        }
        if let Ok(plain) = inflate(&octets, 500) {
            assert!(plain.len() <= 500);
            taken += 1;
        }
    }
    assert!(taken > 100, "{taken}");
}

#[test]
fn what_did_not_become_shorter_leaves_nothing_behind() {
    for (length, times) in [(16_000, 10), (300, 500)] {
        let mut deflater = Deflater::default();
        for _ in 0..times {
            assert!(!deflater.shorten(Window::Usual, &mut noise(length), 0));
        }
        let mut shorter = text(length);
        assert!(deflater.shorten(Window::Usual, &mut shorter, 0));
        assert_eq!(inflated(&shorter).as_deref(), Ok(&text(length)[..]));
    }
}
