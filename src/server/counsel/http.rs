//! Asks over HTTP: one POST, one answer of bounded length, in bounded time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::limits::ADVICE_BYTES_MAX;
use crate::router::advice::Reply;
use crate::router::config::HttpTarget;
use crate::server::tls;

/// Targets whose connections are kept; there are more only after many reloads.
const AGENTS_MAX: usize = 64;

/// The connections to each server, kept for the next question.
#[derive(Default)]
pub(super) struct Agents {
    known: Mutex<Vec<(Arc<HttpTarget>, Agent)>>,
}

impl Agents {
    /// Asks `target`, and waits at most `timeout` for all of its answer.
    pub(super) fn post(&self, target: &Arc<HttpTarget>, body: &str, timeout: Duration) -> Reply {
        let failed = |what: &str| Reply::Failed(format!("{target:?}: {what}"));
        let late = || Reply::Late(format!("{target:?}: it took too long"));
        let Some(agent) = self.agent(target) else { return failed("its `ca` is not usable") };
        let request = agent.post(&*target.url).config().timeout_global(Some(timeout)).build();
        let request = request.header("content-type", "application/json");
        let mut response = match request.send(body) {
            Ok(response) => response,
            Err(ureq::Error::Timeout(_)) => return late(),
            Err(error) => return failed(&error.to_string()),
        };
        if response.status().as_u16() != 200 {
            return failed(&format!("its answer has the status {}", response.status()));
        }
        // One octet more shows that there was more.
        let limit = ADVICE_BYTES_MAX as u64 + 1;
        match response.body_mut().with_config().limit(limit).read_to_vec() {
            Ok(body) => Reply::Body(body),
            Err(ureq::Error::Timeout(_)) => late(),
            Err(ureq::Error::BodyExceedsLimit(_)) => failed("its answer is too long"),
            Err(error) => failed(&error.to_string()),
        }
    }

    fn agent(&self, target: &Arc<HttpTarget>) -> Option<Agent> {
        // Nothing that holds the lock can panic half-way.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, agent)) = known.iter().find(|(known, _)| known == target) {
            return Some(agent.clone());
        }
        let agent = new_agent(target)?;
        if known.len() >= AGENTS_MAX {
            known.clear();
        }
        known.push((Arc::clone(target), agent.clone()));
        Some(agent)
    }
}

/// The scheme, host and port of a target: which server it is, whatever is asked of it.
pub(super) fn origin(target: &HttpTarget) -> Box<str> {
    let Ok(url) = target.url.parse::<Uri>() else { return target.url.clone() };
    let scheme = url.scheme_str().unwrap_or_default();
    let host = url.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    format!("{scheme}://{host}:{port}").into()
}

/// An agent that follows no redirects and uses no proxy: where the answer comes from is settled by
/// the configuration alone.
fn new_agent(target: &HttpTarget) -> Option<Agent> {
    let roots = match &target.authorities {
        None => RootCerts::WebPki,
        Some(pem) => {
            let roots = tls::certificates(pem).ok()?;
            RootCerts::from(roots.iter().map(|root| Certificate::from_der(root).to_owned()))
        }
    };
    let trust = TlsConfig::builder().root_certs(roots).build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .tls_config(trust)
        .user_agent(concat!("gigawamp/", env!("CARGO_PKG_VERSION")))
        .build();
    Some(config.new_agent())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A server that answers one request with `answer`, and gives what it was asked.
    fn server(answer: &'static [u8]) -> (Arc<HttpTarget>, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/ask", listener.local_addr().unwrap()).into();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"]") {
                let mut octets = [0; 4_096];
                let count = stream.read(&mut octets).unwrap();
                asked.extend_from_slice(&octets[..count]);
            }
            // Whoever has had enough of an answer closes.
            let _ = stream.write_all(answer);
            String::from_utf8(asked).unwrap()
        });
        (Arc::new(HttpTarget { url, authorities: None }), thread)
    }

    fn ask(answer: &'static [u8]) -> (Reply, String) {
        let (target, thread) = server(answer);
        let reply = Agents::default().post(&target, "[1]", Duration::from_secs(20));
        (reply, thread.join().unwrap())
    }

    #[test]
    fn the_arguments_go_and_the_body_comes() {
        let (reply, asked) = ask(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue");
        assert_eq!(reply, Reply::Body(b"true".to_vec()));
        assert!(asked.starts_with("POST /ask HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_ascii_lowercase().contains("content-type: application/json"), "{asked}");
        assert!(asked.ends_with("\r\n\r\n[1]"), "{asked}");
    }

    #[test]
    fn a_server_is_told_by_scheme_host_and_port() {
        for (url, expected) in [
            ("http://example.com/a?b=c", "http://example.com:80"),
            ("http://joe:secret@Example.COM.:80", "http://example.com:80"),
            ("HTTPS://example.com", "https://example.com:443"),
            ("https://example.com:8443/", "https://example.com:8443"),
            ("http://[::1]:8080/a", "http://[::1]:8080"),
        ] {
            let target = HttpTarget { url: url.into(), authorities: None };
            assert_eq!(*origin(&target), *expected, "{url}");
        }
    }

    #[test]
    fn anything_but_200_is_a_failure() {
        let redirect = b"HTTP/1.1 302 Found\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
        let error = b"HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\ntrue";
        for (answer, status) in [(&redirect[..], "302"), (error, "500")] {
            let Reply::Failed(reason) = ask(answer).0 else { panic!("it was an answer") };
            assert!(reason.contains(status) && !reason.contains("/ask"), "{reason}");
        }
        let Reply::Failed(_) = ask(b"what?\r\n\r\n").0 else { panic!("it was an answer") };
    }

    #[test]
    fn an_answer_without_end_is_not_read_to_its_end() {
        let long = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".to_owned()
            + &" ".repeat(1_000_000);
        let Reply::Failed(reason) = ask(long.leak().as_bytes()).0 else { panic!("it was taken") };
        assert!(reason.contains("too long"), "{reason}");
    }

    #[test]
    fn nobody_is_waited_for_longer_than_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).into();
        let target = Arc::new(HttpTarget { url, authorities: None });
        let reply = Agents::default().post(&target, "[]", Duration::from_millis(50));
        assert!(matches!(reply, Reply::Late(_)), "{reply:?}");
    }

    #[test]
    fn authorities_that_are_none_are_not_replaced_by_others() {
        let (url, authorities) = ("https://127.0.0.1:1/".into(), Some(b"what?"[..].into()));
        let target = Arc::new(HttpTarget { url, authorities });
        let reply = Agents::default().post(&target, "[]", Duration::from_secs(1));
        let reason = "https://127.0.0.1:1: its `ca` is not usable".to_owned();
        assert_eq!(reply, Reply::Failed(reason));
    }
}
