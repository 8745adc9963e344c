"""Every advanced feature, as any Python client with an adapter can show it.

A client's own file derives from `Features` and replaces what is particular to it. A feature that it
lacks raises `Skip`, one that it has in part `Part`, each after what can be shown was shown.

An adapter is a session of the client behind a few names that all clients share:

    id                                                    its session id
    await call(procedure, *args, kwargs, **options)       the arguments of the result, or `Refused`
    await register(procedure, handler, **options)         the registration's id, or `Refused`
    await subscribe(topic, **options)                     a `Subscribed`
    await publish(topic, *args, **options)                as soon as the router has acknowledged it
    await leave()
    await left()                                          why the router ended it, if it is told
    revoked                                               a queue of what was taken away from it

A handler is given an `Invocation` and returns a list of arguments. Options are those of the
messages; a client that does not know one raises `TypeError`.
"""

import asyncio
from dataclasses import dataclass

from steps import REALM, Skip, expect, next_of, silence_of

# A realm in which everybody is told who calls and publishes. All share it.
DISCLOSED_REALM = "disclosed"

# Long enough that the call is on its way, short enough to be waited for.
TIMEOUT_MS = 200

# What the router's configuration trusts callers and publishers with here.
TRUSTED, TRUST_LEVEL = "features.trusted", 3

# What the router's configuration keeps a history of here.
HISTORY = "features.history"

PATTERNS = [
    ("prefix", "features.pre", "features.prefix.x"),
    ("wildcard", "features..wild", "features.very.wild"),
]


@dataclass
class Invocation:
    args: list
    kwargs: dict
    details: dict
    progress: object = None


@dataclass
class Heard:
    args: list
    kwargs: dict
    details: dict


@dataclass
class Subscribed:
    id: int
    events: asyncio.Queue

    async def next(self):
        return await next_of(self.events)

    async def find(self, *args):
        """The next that begins with `args`. Others may come of what went on before."""
        while True:
            heard = await self.next()
            if heard.args[: len(args)] == list(args):
                return heard

    async def expect(self, *args):
        heard = await self.next()
        expect(heard.args, list(args), "the event")
        return heard


class Refused(Exception):
    """The router or a callee answered with ERROR."""

    def __init__(self, uri, args):
        super().__init__(uri, args)
        self.uri, self.arguments = uri, list(args or [])


async def refused(pending, uri):
    try:
        await pending
    except Refused as refusal:
        expect(refusal.uri, uri, "the error")
        return refusal
    raise AssertionError(f"no {uri}")


async def echo(invocation):
    return invocation.args


class Gate:
    """A procedure that waits until it is let go."""

    def __init__(self):
        self.entered = asyncio.Queue()
        self.opened = asyncio.Event()

    async def __call__(self, invocation):
        self.entered.put_nowait(invocation)
        await self.opened.wait()
        return invocation.args


class Features:
    """A method for each feature, by its name. They have two sessions, and join more as needed."""

    def __init__(self, join):
        self.join = join

    async def run(self, steps, keys):
        async def joining():
            # What `a` serves `b` uses.
            self.a, self.b = await self.join(REALM), await self.join(REALM)

        await steps.run("join", joining)
        for key in keys:
            await steps.run(key, getattr(self, key))

    # Remote procedure calls

    async def progressive_call_results(self):
        async def count(invocation):
            for number in range(invocation.args[0]):
                invocation.progress(number)
            return ["done"]

        await self.a.register("features.count", count)
        seen = []
        call = self.b.call("features.count", 3, on_progress=lambda *args: seen.append(args[0]))
        expect(await call, ["done"], "the result")
        expect(seen, [0, 1, 2], "the progress")

    async def call_timeout(self):
        gate = Gate()
        await self.a.register("features.slow", gate)
        await refused(self.b.call("features.slow", 1, timeout=TIMEOUT_MS), "wamp.error.timeout")
        gate.opened.set()
        # An answer that comes too late harms nobody.
        expect(await self.b.call("features.slow", 2), [2], "the result")

    async def call_reroute(self):
        async def unavailable(invocation):
            raise Refused("wamp.error.unavailable", [])

        for session in (self.a, self.b):
            await session.register("features.reroute", unavailable, invoke="roundrobin")
        await refused(self.b.call("features.reroute"), "wamp.error.unavailable")
        raise Skip("as a callee it does not announce it, so its errors are its caller's")

    async def caller_identification(self):
        await self.a.register("features.who", self.who)
        expect(await self.b.call("features.who"), [None], "the caller")
        expect(await self.b.call("features.who", disclose_me=True), [self.b.id], "the caller")

    @staticmethod
    async def who(invocation):
        return [invocation.details.get("caller")]

    async def call_trustlevels(self):
        async def level(invocation):
            return [invocation.details["trustlevel"]]

        for procedure, trust in [(TRUSTED, TRUST_LEVEL), ("features.distrusted", 0)]:
            await self.a.register(procedure, level)
            expect(await self.b.call(procedure), [trust], "the level")

    async def pattern_based_registration(self):
        async def procedure(invocation):
            return [invocation.details["procedure"]]

        for match, pattern, uri in PATTERNS:
            await self.a.register(pattern, procedure, match=match)
            expect(await self.b.call(uri), [uri], "the procedure")
        await self.a.register("features.preferred", echo)
        expect(await self.b.call("features.preferred", "exact"), ["exact"], "the result")

    async def shared_registration(self):
        async def first(invocation):
            return ["a"]

        async def second(invocation):
            return ["b"]

        c = await self.join(REALM)
        taken = "wamp.error.procedure_already_exists"
        for invoke, wanted in [
            ("roundrobin", ["a", "b"] * 2), ("first", ["a"] * 4), ("last", ["b"] * 4),
            ("random", None),
        ]:
            uri = f"features.shared.{invoke}"
            await self.a.register(uri, first, invoke=invoke)
            await self.b.register(uri, second, invoke=invoke)
            await refused(c.register(uri, first, invoke="single"), taken)
            answers = [(await c.call(uri))[0] for _ in range(4)]
            if wanted is None:
                assert set(answers) <= {"a", "b"}, answers
            else:
                expect(answers, wanted, "the answers")
        await c.leave()

    async def registration_revocation(self):
        c = await self.join(REALM)
        registration = await self.revoke_registration(c)
        expect(await next_of(c.revoked), registration, "what was revoked")
        await c.leave()

    async def revoke_registration(self, c):
        registration = await c.register("features.revoked", echo)
        expect(await self.b.call("features.revoked", 1), [1], "the result")
        await self.b.call("wamp.registration.remove_callee", registration, c.id)
        await refused(self.b.call("features.revoked", 1), "wamp.error.no_such_procedure")
        return registration

    async def concurrency(self):
        gate = Gate()
        await self.a.register("features.busy", gate, concurrency=1)
        first = asyncio.ensure_future(self.b.call("features.busy", 1))
        expect((await next_of(gate.entered)).args, [1], "the first invocation")
        second = asyncio.ensure_future(self.b.call("features.busy", 2))
        await silence_of(gate.entered)
        gate.opened.set()
        expect([await first, await second], [[1], [2]], "the results")

    async def force_reregister(self):
        async def mine(invocation):
            return ["mine"]

        c = await self.join(REALM)
        await c.register("features.forced", echo)
        await self.a.register("features.forced", mine, force_reregister=True)
        expect(await self.b.call("features.forced"), ["mine"], "the result")
        await c.leave()

    # Publish and subscribe

    async def subscriber_blackwhite_listing(self):
        subscribed = await self.a.subscribe("features.listed")
        [of_a] = await self.b.call("wamp.session.get", self.a.id)
        a, role = self.a.id, of_a["authrole"]
        shown = [
            {"eligible": [a]}, {"eligible_authid": [of_a["authid"]]},
            {"eligible_authrole": [role]}, {"exclude": [self.b.id]},
        ]
        hidden = [
            {"eligible": [self.b.id]}, {"eligible_authid": ["other"]},
            {"eligible_authrole": ["other"]}, {"exclude": [a]},
            {"exclude_authid": [of_a["authid"]]}, {"exclude_authrole": [role]},
        ]
        for options in hidden:
            await self.b.publish("features.listed", "hidden", **options)
        for number, options in enumerate(shown):
            await self.b.publish("features.listed", number, **options)
        for number in range(len(shown)):
            await subscribed.expect(number)

    async def publisher_exclusion(self):
        subscribed = await self.b.subscribe("features.own")
        await self.b.publish("features.own", "excluded")
        await self.b.publish("features.own", "excluded", exclude_me=True)
        await self.b.publish("features.own", "included", exclude_me=False)
        await subscribed.expect("included")

    async def publisher_identification(self):
        subscribed = await self.a.subscribe("features.publisher")
        await self.b.publish("features.publisher", 1)
        await self.b.publish("features.publisher", 2, disclose_me=True)
        expect((await subscribed.next()).details.get("publisher"), None, "the publisher")
        expect((await subscribed.next()).details["publisher"], self.b.id, "the publisher")

    async def publication_trustlevels(self):
        for topic, trust in [(TRUSTED, TRUST_LEVEL), ("features.distrusted", 0)]:
            subscribed = await self.a.subscribe(topic)
            await self.b.publish(topic)
            expect((await subscribed.next()).details["trustlevel"], trust, "the level")

    async def pattern_based_subscription(self):
        for match, pattern, topic in PATTERNS:
            exact = await self.a.subscribe(topic)
            subscribed = await self.a.subscribe(pattern, match=match)
            await self.b.publish(topic, match)
            expect((await subscribed.expect(match)).details["topic"], topic, "the topic")
            await exact.expect(match)

    async def event_history(self):
        [id] = await self.b.call("wamp.subscription.lookup", HISTORY)
        for number in range(3):
            await self.b.publish(HISTORY, number)
        past = await self.b.call("wamp.subscription.get_events", id)
        expect([event["args"] for event in past], [[0], [1], [2]], "the events")
        expect({event["subscription"] for event in past}, {id}, "the subscription")
        publications = [event["publication"] for event in past]
        for chosen, numbers in [
            ({"reverse": True, "limit": 2}, [2, 1]),
            ({"after_publication": publications[0]}, [1, 2]),
            ({"before_publication": publications[1]}, [0]),
            ({"from_time": past[0]["timestamp"], "until_time": past[2]["timestamp"]}, [0, 1, 2]),
            ({"after_time": past[2]["timestamp"]}, []),
        ]:
            found = await self.b.call("wamp.subscription.get_events", id, kwargs=chosen)
            expect([event["args"] for event in found], [[n] for n in numbers], str(chosen))

    async def event_retention(self):
        await self.b.publish("features.retained", "early", retain=True)
        plain = await self.a.subscribe("features.retained")
        c = await self.join(REALM)
        subscribed = await c.subscribe("features.retained", get_retained=True)
        expect((await subscribed.expect("early")).details["retained"], True, "retained")
        await self.b.publish("features.retained", "late")
        await plain.expect("late")
        assert not (await subscribed.expect("late")).details.get("retained"), "not retained"
        await c.leave()

    async def subscription_revocation(self):
        c = await self.join(REALM)
        subscribed = await self.revoke_subscription(c)
        expect(await next_of(c.revoked), subscribed.id, "what was revoked")
        await c.leave()

    async def revoke_subscription(self, c):
        subscribed = await c.subscribe("features.muted")
        await self.b.publish("features.muted", 1)
        await subscribed.expect(1)
        await self.b.call("wamp.subscription.remove_subscriber", subscribed.id, c.id)
        expect(await self.b.call("wamp.subscription.lookup", "features.muted"), [None], "the id")
        await self.b.publish("features.muted", 2)
        return subscribed

    # Meta APIs

    async def session_meta_api(self):
        joins = await self.b.subscribe("wamp.session.on_join")
        leaves = await self.b.subscribe("wamp.session.on_leave")
        c, d = await self.join(REALM), await self.join(REALM)
        joined = {(await joins.next()).args[0]["session"] for _ in (c, d)}
        expect(joined, {c.id, d.id}, "who joined")
        [ids] = await self.b.call("wamp.session.list")
        expect(await self.b.call("wamp.session.count"), [len(ids)], "the count")
        assert {self.a.id, self.b.id, c.id, d.id} <= set(ids), ids
        [of_c] = await self.b.call("wamp.session.get", c.id)
        expect(of_c["session"], c.id, "the session")
        reason = {"reason": "features.no_more"}
        await self.b.call("wamp.session.kill", c.id, kwargs=reason)
        [of_d] = await self.b.call("wamp.session.get", d.id)
        await self.b.call("wamp.session.kill_by_authid", of_d["authid"], kwargs=reason)
        for session in (c, d):
            assert await session.left() in ("features.no_more", None), "why it left"
            missing = "wamp.error.no_such_session"
            await refused(self.b.call("wamp.session.get", session.id), missing)
        left = {(await leaves.next()).args[0] for _ in (c, d)}
        expect(left, {c.id, d.id}, "who left")

    async def until_gone(self, session):
        """Until the router knows that the session has lost its connection."""
        while session.id in (await self.b.call("wamp.session.list"))[0]:
            await asyncio.sleep(0.05)

    async def registration_meta_api(self):
        async def begin(c):
            return await c.register("features.watched", echo, match="prefix")

        await self.watch("registration", "register", "callees", begin)

    async def subscription_meta_api(self):
        async def begin(c):
            return (await c.subscribe("features.watched", match="prefix")).id

        await self.watch("subscription", "subscribe", "subscribers", begin)

    async def watch(self, kind, verb, members, begin):
        """What the meta API says of a registration or subscription from beginning to end."""
        events = [
            await self.b.subscribe(f"wamp.{kind}.on_{what}")
            for what in ("create", verb, f"un{verb}", "delete")
        ]
        c = await self.join(REALM)
        id = await begin(c)
        created = (await events[0].find(c.id)).args[1]
        expect(created["id"], id, "what was created")
        expect((created["uri"], created["match"]), ("features.watched", "prefix"), "what it is")
        await events[1].find(c.id, id)
        assert id in (await self.b.call(f"wamp.{kind}.list"))[0]["prefix"], "not listed"
        for procedure, args, wanted in [
            ("lookup", ["features.watched", {"match": "prefix"}], id),
            ("lookup", ["features.watched"], None),
            ("match", ["features.watched.x"], [id] if kind == "subscription" else id),
            (f"list_{members}", [id], [c.id]),
            (f"count_{members}", [id], 1),
        ]:
            expect(await self.b.call(f"wamp.{kind}.{procedure}", *args), [wanted], procedure)
        expect((await self.b.call(f"wamp.{kind}.get", id))[0]["id"], id, "the id")
        await c.leave()
        for event in events[2:]:
            await event.find(c.id, id)
        await refused(self.b.call(f"wamp.{kind}.get", id), f"wamp.error.no_such_{kind}")

    async def testament_meta_api(self):
        subscribed = await self.a.subscribe("features.testament")
        c = await self.join(REALM)
        for scope in ("detached", "destroyed"):
            await c.call(
                "wamp.session.add_testament", "features.testament", [scope], {"k": "v"},
                kwargs={"scope": scope, "publish_options": {"eligible": [self.a.id]}},
            )
        await c.call("wamp.session.flush_testaments", kwargs={"scope": "detached"})
        await c.leave()
        expect((await subscribed.expect("destroyed")).kwargs, {"k": "v"}, "the keywords")
