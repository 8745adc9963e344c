//! The first octets of a connection, and what they are answered with.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::program::{PATIENCE, with_each_driver};

/// What a client says, what it is answered with, and whether that is the end.
const GREETINGS: [(&[u8], &[u8], bool); 14] = [
    // Granted: the serializer comes back, with the longest message that this router takes.
    (b"\x7f\xf1\0\0", b"\x7f\x71\0\0", false),
    (b"\x7f\x02\0\0", b"\x7f\x72\0\0", false),
    (b"\x7f\x73\0\0", b"\x7f\x73\0\0", false),
    // A ping needs no session, and a pong no ping.
    (b"\x7f\xf1\0\0\x01\0\0\x02hi", b"\x7f\x71\0\0\x02\0\0\x02hi", false),
    (b"\x7f\xf1\0\0\x02\0\0\x02hi\x01\0\0\0", b"\x7f\x71\0\0\x02\0\0\0", false),
    // No serializer, one that is reserved, reserved octets.
    (b"\x7f\xf0\0\0", b"\x7f\x10\0\0", true),
    (b"\x7f\xff\0\0", b"\x7f\x10\0\0", true),
    (b"\x7f\xf1\x01\0", b"\x7f\x30\0\0", true),
    (b"\x7f\xf1\0\x80", b"\x7f\x30\0\0", true),
    // A message longer than granted, and kinds of frames that there are not.
    (b"\x7f\xf1\0\0\0\x01\0\x01", b"\x7f\x71\0\0", true),
    (b"\x7f\xf1\0\0\x03\0\0\0", b"\x7f\x71\0\0", true),
    (b"\x7f\xf1\0\0\x10\0\0\x01", b"\x7f\x71\0\0", true),
    // Neither RawSocket nor HTTP.
    (b"\x16\x03\x01\0", b"", true),
    (b"\xff\xf1\0\0", b"", true),
];

// spec: A-RAW-01, A-RAW-03, A-RAW-04, A-RAW-05, A-RAW-06, A-RAW-07, A-RAW-08, A-RAW-09, A-RAW-12
// spec: A-RAW-14, A-RAW-15, A-RAW-16, A-RAW-17
#[test]
fn each_greeting_has_its_answer() {
    with_each_driver("", "message_bytes_max = \"64 KiB\"", |router| {
        let address = router.address("ws://");
        for (greeting, answer, is_over) in GREETINGS {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(greeting).unwrap();
            let mut heard = vec![0; answer.len()];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(heard, answer, "{greeting:02X?}");
            if is_over {
                assert_eq!(read_to_end(&mut stream), b"", "{greeting:02X?}");
                continue;
            }
            // It goes on: a ping is answered, and nothing came before.
            stream.write_all(b"\x01\0\0\x01?").unwrap();
            let mut pong = [0; 5];
            stream.read_exact(&mut pong).unwrap();
            assert_eq!(&pong, b"\x02\0\0\x01?", "{greeting:02X?}");
        }
        // HTTP is spoken at the same address.
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert!(read_to_end(&mut stream).starts_with(b"HTTP/1.1 "));
        router.stop();
    });
}

/// What comes until the router closes its end, which it must do.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    heard
}
