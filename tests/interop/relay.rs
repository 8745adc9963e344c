//! A way to the router that counts what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Hands on what is sent to it, in both directions.
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: String,
    count: Arc<AtomicUsize>,
}

impl Relay {
    /// Starts one to `target`. It lasts as long as the test.
    pub(crate) fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (count, target) = (Arc::new(AtomicUsize::new(0)), target.to_owned());
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(&target).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let count = Arc::clone(&counted);
                    thread::spawn(move || pass(from, to, &count));
                }
            }
        });
        Self { address, count }
    }

    /// Octets that have passed.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Passes on what comes until there is no more, and then the end.
fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicUsize) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        count.fetch_add(read, Ordering::Relaxed);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
