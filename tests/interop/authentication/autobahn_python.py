"""autobahn-python proves who it is: by its own code for each method, as a file of cases says.

Also an authenticator of the kind that Crossbar.io calls, for those who bring theirs along.
"""

import asyncio
import json
import ssl
from functools import partial

from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp import auth
from autobahn.wamp.exception import ApplicationError

from steps import Skip, expect, until_stdin_closes

# What each method's own class is given, from which member of the case.
WAYS = {
    "ticket": {"ticket": "ticket"},
    "wampcra": {"secret": "secret"},
    "scram": {"password": "password"},
    "cryptosign": {"privkey": "private_key"},
}


class Applicant(ApplicationSession):
    """A session that wants to join, and what became of that."""

    def __init__(self, case, config):
        super().__init__(config)
        self.case = case
        self.outcome = asyncio.get_running_loop().create_future()
        self.way = None

    def onConnect(self):
        method, authid = self.case["method"], self.case.get("authid")
        if method in WAYS:
            known = {name: self.case[member] for name, member in WAYS[method].items()}
            if authid is not None:
                known["authid"] = authid
            self.way = auth.create_authenticator(method, **known)
        extra = getattr(self.way, "authextra", None) or None
        if "challenge" in self.case:
            extra = {**extra, "challenge": self.case["challenge"]}
        methods = [*self.case.get("before", []), method]
        self.join(self.config.realm, authmethods=methods, authid=authid, authextra=extra)

    def onChallenge(self, challenge):
        expect(challenge.method, self.case["method"], "the method of the challenge")
        if "challenge" in self.case:
            check_router(self.case, challenge.extra)
        return self.way.on_challenge(self, challenge)

    def onWelcome(self, msg):
        # SCRAM finds here whether the router knows the password too.
        return self.way.on_welcome(self, msg.authextra) if self.way else None

    def onJoin(self, details):
        cookie = getattr(self._transport, "http_headers", {}).get("set-cookie")
        self.settle({"role": details.authrole, "authid": details.authid,
                     "method": details.authmethod, "provider": details.authprovider}, cookie)
        self.leave()

    def onLeave(self, details):
        self.settle({"reason": details.reason, "text": details.message}, None)
        self.disconnect()

    def settle(self, outcome, cookie):
        if not self.outcome.done():
            self.outcome.set_result((outcome, cookie))


async def apply(url, make_serializers, realm, case):
    """What comes of a case: who it is, or why it is not; and a cookie, if there was one."""
    context, headers = None, {}
    if "ca" in case:
        context = ssl.create_default_context(cafile=case["ca"])
        if "certificate" in case:
            context.load_cert_chain(case["certificate"], case["key"])
    if "cookie" in case:
        headers["Cookie"] = case["cookie"]
    runner = ApplicationRunner(
        case.get("url", url), realm, serializers=make_serializers(), ssl=context, headers=headers
    )
    applicants = []

    def make(config):
        applicants.append(Applicant(case, config))
        return applicants[0]

    await runner.run(make, start_loop=False)
    while not applicants:
        await asyncio.sleep(0.01)
    return await applicants[0].outcome


async def authenticate(url, make_serializers, realm, path, steps):
    with open(path) as file:
        cases = json.load(file)
    jar = {}
    for case in cases:
        await steps.run(case["step"], partial(check, url, make_serializers, realm, case, jar))


async def check(url, make_serializers, realm, case, jar):
    method = case["method"]
    if method == "wamp-scram":
        raise Skip("autobahn-python has `scram`, a dialect of it")
    if method == "scram" and not getattr(auth, "HAS_ARGON", False):
        raise Skip("autobahn-python is installed without its extra `scram`")
    if method == "cryptosign" and not has_cryptosign():
        raise Skip("autobahn-python is installed without its extra `encryption`")
    if "shows" in case:
        case = {**case, "cookie": jar[case["shows"]]}
    outcome, cookie = await apply(url, make_serializers, case.get("realm", realm), case)
    if "keeps" in case:
        assert cookie, "no cookie was set"
        jar[case["keeps"]] = cookie.split(";")[0]
    for name, value in case["expect"].items():
        expect(outcome.get(name), value, f"{name} in {outcome}")


def check_router(case, extra):
    """The router signs what the client wants, by the key that the client knows."""
    from nacl.signing import VerifyKey

    expect(extra.get("pubkey"), case["router_key"], "the router's public key")
    signed = bytes.fromhex(extra["signature"])
    message = VerifyKey(bytes.fromhex(extra["pubkey"])).verify(signed[64:], signed[:64])
    expect(message.hex(), case["challenge"], "what the router has signed")


def has_cryptosign():
    try:
        from autobahn.wamp.cryptosign import CryptosignKey

        return hasattr(CryptosignKey, "from_bytes")
    except ImportError:
        return False


# What the authenticator knows. Tickets come with the question; for other methods the answer says
# by what the router is to check.
PEOPLE = {
    "dynamic-ticket": {"ticket": "a ticket that only the authenticator knows", "role": "member"},
    "dynamic-cra": {"secret": "a secret that only the authenticator knows", "role": "member"},
    "dynamic-cra-salted": {
        "secret": "tBLHcvDIoThOozIwfq2lLbowbPhlPYVNdudcGuzfMU0=",
        "salt": "salt123", "iterations": 1000, "keylen": 32, "role": "member",
    },
}


class Authenticator(ApplicationSession):
    """Answers as an authenticator of Crossbar.io does."""

    ready = None

    def onConnect(self):
        self.join(self.config.realm, authmethods=["ticket"], authid="authenticator")

    def onChallenge(self, challenge):
        return "the authenticator's own ticket"

    async def onJoin(self, details):
        def authenticate(realm, authid, details):
            if authid == "dynamic-broken":
                return 42
            known = PEOPLE.get(authid)
            if known is None:
                raise ApplicationError("com.example.no_such_user", f"nobody is called {authid}")
            method = details["authmethod"]
            if method == "ticket":
                if details["ticket"] != known.get("ticket"):
                    raise ApplicationError("com.example.invalid_ticket", "another ticket, please")
                return {"realm": realm, "role": known["role"], "extra": {"greeting": "hello"}}
            if method == "wampcra" and "secret" in known:
                return {key: value for key, value in known.items() if key != "ticket"}
            raise ApplicationError("com.example.no_such_method", f"{authid} has no {method}")

        await self.register(authenticate, "com.example.authenticate")
        self.ready.set_result(None)


async def serve_authenticator(url, make_serializers, realm):
    ready = asyncio.get_running_loop().create_future()

    def make(config):
        session = Authenticator(config)
        session.ready = ready
        return session

    runner = ApplicationRunner(url, realm, serializers=make_serializers())
    await runner.run(make, start_loop=False)
    await ready
    print("ready", flush=True)
    await until_stdin_closes()
