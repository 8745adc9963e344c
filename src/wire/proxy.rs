//! The header by which a proxy tells for whom it connects: PROXY protocol, versions 1 and 2.
//!
//! It is to be read from trusted proxies alone: whoever may send one may claim any address. One
//! function reads it, keeps nothing and looks at no octet behind the header.

// Addresses are plain data; what opens sockets is not in `core`.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Malformed;

/// Octets of the longest header that is taken. Addresses take at most 232; what proxies add to
/// them (a TLS session, the name of an endpoint) is a few hundred.
pub const HEADER_BYTES_MAX: usize = 2_048;

/// Octets of a header of version 1, line end included: what the specification allows.
const LINE_BYTES_MAX: usize = 107;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Octets of a header of version 2 before its addresses.
const FIXED_BYTES: usize = 16;

/// The checksum among what is added to the addresses of version 2.
const CHECKSUM: u8 = 0x03;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Octets of the header; what follows is the client's.
    pub bytes_count: usize,
    /// Where the client is; nothing if the proxy speaks for itself (`LOCAL`) or does not know
    /// (`UNKNOWN`).
    pub client: Option<SocketAddr>,
}

/// Reads the header that `bytes` begin with; nothing if more must come before it can be read,
/// which is never so once they are [`HEADER_BYTES_MAX`].
///
/// # Errors
///
/// Says what is wrong with it, or that there is none.
pub fn parse(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let common = |prefix: &[u8]| bytes.iter().zip(prefix).all(|(a, b)| a == b);
    if common(b"PROXY ") {
        parse_line(bytes)
    } else if common(&SIGNATURE) {
        parse_binary(bytes)
    } else {
        Err(Malformed("there is no PROXY header"))
    }
}

/// Version 1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`, one line.
fn parse_line(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let line = bytes.get(..LINE_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = line.windows(2).position(|two| two == b"\r\n") else {
        let too_long = bytes.len() >= LINE_BYTES_MAX;
        return if too_long { Err(Malformed("the line does not end")) } else { Ok(None) };
    };
    let line = line.get(..end).and_then(|line| std::str::from_utf8(line).ok());
    let mut words = line.ok_or(Malformed("the line is no text"))?.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    let bytes_count = end + 2;
    if family == "UNKNOWN" {
        // Whatever else the line says is to be ignored.
        return Ok(Some(Header { bytes_count, client: None }));
    }
    let mut word = || words.next().unwrap_or_default();
    let (source, destination, port, to_port) = (word(), word(), word(), word());
    let is_complete = words.next().is_none();
    let address = |text: &str| match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    let (Some(source), Some(_), Some(port), Some(_), true) =
        (address(source), address(destination), number(port), number(to_port), is_complete)
    else {
        return Err(Malformed("the line has not two addresses and two ports"));
    };
    Ok(Some(Header { bytes_count, client: Some(SocketAddr::new(source, port)) }))
}

/// A port in decimal digits, without zeroes before it.
fn number(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain && is_short)
}

/// Version 2: signature, command, family, length, addresses, and more that is announced by type.
fn parse_binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((head, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else {
        return Ok(None);
    };
    let [.., command, family, high, low] = *head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let bytes_count = FIXED_BYTES + length;
    if bytes_count > HEADER_BYTES_MAX {
        return Err(Malformed("the header is too long"));
    }
    if !matches!(command, 0x20 | 0x21) {
        return Err(Malformed("a version or a command that is unknown"));
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let too_short = Malformed("the header is shorter than its addresses");
    // Stream protocols alone: nothing else can come by a stream.
    let (client, more) = match family {
        0x00 => (None, &[][..]),
        0x11 => {
            let ([source, _, ports], more) = v4(body).ok_or(too_short)?;
            let [a, b, ..] = ports;
            (Some((IpAddr::V4(Ipv4Addr::from(source)), u16::from_be_bytes([a, b]))), more)
        }
        0x21 => {
            let (source, more) = body.split_first_chunk::<16>().ok_or(too_short)?;
            let (_, more) = more.split_first_chunk::<16>().ok_or(too_short)?;
            let ([a, b, ..], more) = more.split_first_chunk::<4>().ok_or(too_short)?;
            (Some((IpAddr::V6(Ipv6Addr::from(*source)), u16::from_be_bytes([*a, *b]))), more)
        }
        0x31 => (None, body.get(216..).ok_or(too_short)?),
        _ => return Err(Malformed("a family of addresses that is unknown")),
    };
    check_rest(bytes.get(..bytes_count).unwrap_or_default(), more)?;
    let client = client.filter(|_| command == 0x21);
    let client = client.map(|(address, port)| SocketAddr::new(address, port));
    Ok(Some(Header { bytes_count, client }))
}

/// Source, destination and ports.
fn v4(body: &[u8]) -> Option<([[u8; 4]; 3], &[u8])> {
    let (source, body) = body.split_first_chunk::<4>()?;
    let (destination, body) = body.split_first_chunk::<4>()?;
    let (ports, body) = body.split_first_chunk::<4>()?;
    Some(([*source, *destination, *ports], body))
}

/// Walks what comes behind the addresses, and checks the checksum of the whole if there is one.
fn check_rest(header: &[u8], mut more: &[u8]) -> Result<(), Malformed> {
    while let Some(([kind, high, low], rest)) = more.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(Malformed("a part is cut off"))?;
        if *kind == CHECKSUM {
            let value = value.try_into().map(u32::from_be_bytes);
            let value = value.map_err(|_| Malformed("a checksum has four octets"))?;
            let place = header.len() - rest.len() - 4;
            if checksum(header, place) != value {
                return Err(Malformed("the checksum is wrong"));
            }
        }
        more = rest;
    }
    if more.is_empty() { Ok(()) } else { Err(Malformed("a part is cut off")) }
}

/// CRC-32C of `header`, in which the four octets from `place` on count as zero.
fn checksum(header: &[u8], place: usize) -> u32 {
    let octets = header.iter().enumerate();
    let octets =
        octets.map(|(at, &octet)| if (place..place + 4).contains(&at) { 0 } else { octet });
    let step = |crc: u32| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
    !octets.fold(!0, |crc, octet| (0..8).fold(crc ^ u32::from(octet), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "a test that indexes wrongly should fail")]

    use super::*;

    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    /// 192.0.2.1:56324 to 198.51.100.1:443.
    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0xDC, 0x04, 0x01, 0xBB];

    fn v6() -> Vec<u8> {
        let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
        [&address.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0, 7, 1, 0xBB]].concat()
    }

    #[test]
    fn headers_say_where_the_client_is() {
        let unix = [0; 216];
        let more = [&V4[..], &[0x04, 0, 2, 9, 9], &[0xEE, 0, 0]].concat();
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec(), "192.0.2.1:56324"),
            (b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n".to_vec(), "[2001:db8::7]:0"),
            (b"PROXY UNKNOWN\r\n".to_vec(), ""),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2 and more\r\n".to_vec(), ""),
            (binary(0x21, 0x11, &V4), "192.0.2.1:56324"),
            (binary(0x21, 0x11, &more), "192.0.2.1:56324"),
            (binary(0x21, 0x21, &v6()), "[2001:db8::7]:7"),
            (binary(0x21, 0x31, &unix), ""),
            (binary(0x21, 0x00, b"whatever"), ""),
            (binary(0x20, 0x00, b""), ""),
            (binary(0x20, 0x11, &V4), ""),
        ] {
            let client = (!client.is_empty()).then(|| client.parse().unwrap());
            let bytes_count = header.len();
            for tail in [&b""[..], b"\x7F\xF2\0\0"] {
                let bytes = [&header, tail].concat();
                assert_eq!(parse(&bytes), Ok(Some(Header { bytes_count, client })), "{header:?}");
            }
            for cut in 0..bytes_count {
                assert_eq!(parse(&header[..cut]), Ok(None), "{cut} octets of {header:?}");
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_as_soon_as_it_is_seen() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 96]].concat();
        let announced = [&SIGNATURE[..], &[0x21, 0x11, 0xFF, 0xFF]].concat();
        let cut = [&V4[..], &[0x04, 0, 9, 1]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"\x7F".to_vec(),
            b"PROXZ".to_vec(),
            b"\r\n\r\nx".to_vec(),
            b"PROXY \r\n".to_vec(),
            b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 +2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 \xFF\r\n".to_vec(),
            long,
            announced,
            binary(0x11, 0x11, &V4),
            binary(0x22, 0x11, &V4),
            binary(0x21, 0x12, &V4),
            binary(0x21, 0x41, &V4),
            binary(0x21, 0x11, &V4[..11]),
            binary(0x21, 0x21, &V4),
            binary(0x21, 0x31, &V4),
            binary(0x21, 0x11, &cut),
        ] {
            assert!(parse(&bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_checksum_is_checked() {
        // From RFC 3720: 32 octets of zero.
        assert_eq!(checksum(&[0; 32], 0), 0x8A91_36AA);
        let mut header = binary(0x21, 0x11, &[&V4[..], &[CHECKSUM, 0, 4, 0, 0, 0, 0]].concat());
        assert!(parse(&header).is_err());
        let place = header.len() - 4;
        let sum = checksum(&header, place).to_be_bytes();
        header[place..].copy_from_slice(&sum);
        assert_eq!(parse(&header).unwrap().unwrap().bytes_count, header.len());
        header[20] ^= 1;
        assert!(parse(&header).is_err());
        assert!(parse(&binary(0x21, 0x11, &[&V4[..], &[CHECKSUM, 0, 1, 0]].concat())).is_err());
    }
}
