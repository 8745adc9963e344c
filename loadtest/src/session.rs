//! Sessions opened one blocking step after the other, before anything is measured.

use std::time::Duration;

use gigawamp::message::{
    ClientRoles, Hello, HelloDetails, MatchPolicy, Message, Register, RequestId, Role, Subscribe,
    SubscribeOptions,
};
use gigawamp::wire::{Client, Failure, Incoming, Serializer};

use crate::Trouble;
use crate::net::{Socket, Target};
use crate::speech::describe;

/// How sessions are opened.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where, and in which framing.
    pub target: Target,
    /// In which serializer.
    pub serializer: Serializer,
    /// On which realm.
    pub realm: String,
}

/// One open session; every call blocks until it is answered.
#[derive(Debug)]
pub struct Session {
    socket: Socket,
    client: Client,
    serializer: Serializer,
    id: u64,
    /// What arrived; what lies before `taken` has been read.
    input: Vec<u8>,
    taken: usize,
    requests: u64,
}

impl Door {
    /// A session on this realm, in all four roles.
    ///
    /// # Errors
    ///
    /// If nobody listens, or the session is refused.
    pub fn open(&self) -> Result<Session, Trouble> {
        let refused = |what: String| Trouble::Rig(format!("no session at {}: {what}", self.target));
        let socket = self.target.connect().map_err(|error| refused(error.to_string()))?;
        socket.set_patience(PATIENCE)?;
        let mut client = self.target.client(self.serializer, u64::from(std::process::id()));
        let mut hello = Vec::new();
        client.hello(&mut hello);
        socket.write_all(&hello)?;
        let serializer = self.serializer;
        let input = Vec::new();
        let mut session =
            Session { socket, client, serializer, id: 0, input, taken: 0, requests: 0 };
        let negotiated = session.next().map_err(|trouble| refused(trouble.to_string()))?;
        assert_eq!(negotiated, None, "the handshake comes before any message");
        session.send(&self.hello())?;
        let answer = session.receive().map_err(|trouble| refused(trouble.to_string()))?;
        match parse(serializer, &answer)? {
            Message::Welcome(welcome) => {
                session.id = welcome.session.0;
                Ok(session)
            }
            other => Err(refused(describe(&other))),
        }
    }

    /// The HELLO that every session says.
    #[must_use]
    pub fn hello(&self) -> Message<'static> {
        let role = || Some(Role::default());
        let roles =
            ClientRoles { caller: role(), callee: role(), publisher: role(), subscriber: role() };
        let details = HelloDetails {
            roles: Some(roles),
            agent: Some("loadtest".into()),
            authmethods: Some(vec!["anonymous".into()]),
            ..HelloDetails::default()
        };
        Hello { realm: self.realm.clone().into(), details }.into()
    }
}

impl Session {
    /// Offers `procedure`.
    ///
    /// # Errors
    ///
    /// If the router refuses.
    pub fn register(&mut self, procedure: &str) -> Result<(), Trouble> {
        self.requests += 1;
        let request = RequestId(self.requests);
        let options = Default::default();
        self.send(&Register { request, options, procedure: procedure.into() }.into())?;
        let answer = self.receive()?;
        match parse(self.serializer, &answer)? {
            Message::Registered(registered) if registered.request == request => Ok(()),
            other => Err(Trouble::Rig(format!("REGISTER {procedure}: got {}", describe(&other)))),
        }
    }

    /// Subscribes to `topic`, exactly.
    ///
    /// # Errors
    ///
    /// If the router refuses.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), Trouble> {
        self.subscribe_all(&[(MatchPolicy::Exact, topic.to_owned())])
    }

    /// Subscribes to all `patterns`, many requests at a time.
    ///
    /// # Errors
    ///
    /// If the router refuses one of them.
    pub fn subscribe_all(&mut self, patterns: &[(MatchPolicy, String)]) -> Result<(), Trouble> {
        for some in patterns.chunks(REQUESTS_AT_ONCE) {
            let first = self.requests + 1;
            for (policy, topic) in some {
                self.requests += 1;
                let r#match = (*policy != MatchPolicy::Exact).then_some(*policy);
                let subscribe = Subscribe {
                    request: RequestId(self.requests),
                    options: SubscribeOptions { r#match, ..SubscribeOptions::default() },
                    topic: topic.as_str().into(),
                };
                self.send(&subscribe.into())?;
            }
            for (request, (_, topic)) in (first..).zip(some) {
                let answer = self.receive()?;
                match parse(self.serializer, &answer)? {
                    Message::Subscribed(subscribed) if subscribed.request.0 == request => {}
                    other => {
                        let got = describe(&other);
                        return Err(Trouble::Rig(format!("SUBSCRIBE {topic}: got {got}")));
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn send(&mut self, message: &Message<'_>) -> Result<(), Trouble> {
        let (mut body, mut frame) = (Vec::new(), Vec::new());
        message.write(self.serializer, &mut body);
        self.client.frame(&body, &mut frame);
        Ok(self.socket.write_all(&frame)?)
    }

    /// Waits for one message.
    ///
    /// # Errors
    ///
    /// If none comes in good time, or the connection ends.
    pub fn receive(&mut self) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(message);
            }
        }
    }

    /// Its id; 0 if that was forgotten.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The serializer of its messages.
    #[must_use]
    pub const fn serializer(&self) -> Serializer {
        self.serializer
    }

    /// What it is made of, once everything that came has been read.
    ///
    /// # Panics
    ///
    /// If something came that nobody asked for.
    #[must_use]
    pub fn into_parts(self) -> (Socket, Client) {
        assert_eq!(self.taken, self.input.len(), "octets are left from opening a session");
        (self.socket, self.client)
    }

    /// A session around the parts of one that was opened before.
    #[must_use]
    pub fn from_parts((socket, client): (Socket, Client), serializer: Serializer) -> Self {
        Self { socket, client, serializer, id: 0, input: Vec::new(), taken: 0, requests: 0 }
    }

    /// The next message, or `None` if the handshake was finished instead.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            let mut rest = &mut self.input[self.taken..];
            let (before, mut reply) = (rest.len(), Vec::new());
            let came = match self.client.next(&mut rest, &mut reply) {
                Ok(None) => None,
                Ok(Some(Incoming::Message(message))) => Some(Some(message.to_vec())),
                Ok(Some(Incoming::Negotiated(_))) => Some(None),
                Ok(Some(Incoming::Alive | Incoming::Request(_))) => continue,
                Ok(Some(Incoming::Finished)) => return Err(ended()),
                Err(Failure::Refused(why)) => return Err(Trouble::Rig(why.to_owned())),
                Err(Failure::Answered) => return Err(ended()),
            };
            self.taken += before - rest.len();
            if !reply.is_empty() {
                self.socket.write_all(&reply)?;
            }
            if let Some(came) = came {
                return Ok(came);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<(), Trouble> {
        let mut buffer = [0; 16 * 1024];
        let count = self.socket.read(&mut buffer).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => {
                Trouble::Rig(format!("no answer within {} s", PATIENCE.as_secs()))
            }
            _ => Trouble::Rig(error.to_string()),
        })?;
        if count == 0 {
            return Err(ended());
        }
        self.input.clear();
        self.input.extend_from_slice(&buffer[..count]);
        self.taken = 0;
        Ok(())
    }
}

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests under way at once: their answers fit any router's outbox.
const REQUESTS_AT_ONCE: usize = 500;

fn ended() -> Trouble {
    Trouble::Rig("the router ended the connection".to_owned())
}

fn parse(serializer: Serializer, message: &[u8]) -> Result<Message<'_>, Trouble> {
    Message::parse(serializer, message)
        .map_err(|invalid| Trouble::Wrong(format!("the router sent no message: {invalid}")))
}
