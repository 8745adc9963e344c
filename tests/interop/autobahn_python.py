"""autobahn-python on asyncio: URL (ws://… or rs://…), SERIALIZER (or `default`), and what to do."""

import asyncio
import sys
from functools import partial

import txaio

txaio.use_asyncio()

from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp import message
from autobahn.wamp import serializer as serializers
from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallOptions, CallResult
from autobahn.wamp.types import PublishOptions, RegisterOptions, SubscribeOptions

from authentication.autobahn_python import authenticate, serve_authenticator
from features.autobahn_python import AutobahnPython
from steps import BINARY, BURST, KWARGS, LARGE, REALM, VALUES
from steps import Skip, Steps, expect, next_of, silence_of, until_stdin_closes

SERIALIZERS = {
    "json": serializers.JsonSerializer,
    "msgpack": serializers.MsgPackSerializer,
    "cbor": serializers.CBORSerializer,
    "ubjson": serializers.UBJSONSerializer,
}

ACKNOWLEDGED = PublishOptions(acknowledge=True)


class Client(ApplicationSession):
    """A session whose coming and going can be waited for."""

    def __init__(self, config):
        super().__init__(config)
        self.joined = asyncio.get_running_loop().create_future()
        self.left = asyncio.get_running_loop().create_future()
        self.revoked = asyncio.Queue()
        self.stays = False

    def onMessage(self, msg):
        if isinstance(msg, message.Unregistered) and msg.request == 0:
            self.revoked.put_nowait(msg.registration)
        super().onMessage(msg)

    async def onJoin(self, details):
        self.joined.set_result(details)

    def onLeave(self, details):
        if not self.joined.done():
            self.joined.set_exception(RuntimeError(f"{details.reason}: {details.message}"))
        if not self.left.done():
            self.left.set_result(details.reason)
        if not self.stays:
            self.disconnect()

    def onUserError(self, fail, message):
        """Errors of handlers are what some steps want; they show at the caller."""

    async def gone(self):
        self.leave()
        return await self.left

    async def leave_for_another(self):
        """Leaves, and joins again on the same transport."""
        self.stays = True
        await self.gone()
        self.stays = False
        self.joined = asyncio.get_running_loop().create_future()
        self.left = asyncio.get_running_loop().create_future()
        self.join(REALM)
        await self.joined


async def join(url, serializer, realm=REALM, batched=False):
    chosen = None if serializer == "default" else [SERIALIZERS[serializer](batched=batched)]
    runner = ApplicationRunner(url, realm, serializers=chosen)
    sessions = []

    def make(config):
        sessions.append(Client(config))
        return sessions[0]

    await runner.run(make, start_loop=False)
    while not sessions:
        await asyncio.sleep(0.01)
    await sessions[0].joined
    return sessions[0]


async def echo(*args, **kwargs):
    return CallResult(*args, **kwargs)


def both(result):
    """Arguments and keywords of a result, which is bare if it is one value alone."""
    if isinstance(result, CallResult):
        return list(result.results), result.kwresults
    return [result], {}


async def check(url, serializer, steps):
    sessions = {}
    events = asyncio.Queue()

    async def heard(*args, **kwargs):
        events.put_nowait((list(args), kwargs))

    async def joining():
        sessions["a"] = await join(url, serializer)
        sessions["b"] = await join(url, serializer)

    await steps.run("join", joining)
    a, b = sessions["a"], sessions["b"]

    async def subscribe():
        sessions["subscription"] = await a.subscribe(heard, "interop.topic")
        again = await a.subscribe(heard, "interop.topic")
        expect(again.id, sessions["subscription"].id, "the subscription of a second SUBSCRIBE")
        await again.unsubscribe()

    async def publish():
        publication = await b.publish("interop.topic", *VALUES, options=ACKNOWLEDGED, **KWARGS)
        assert 0 < publication.id <= 2**53, publication.id
        expect(await next_of(events), (VALUES, KWARGS), "the event")

    async def publish_order():
        for number in range(BURST):
            b.publish("interop.topic", number)
        for number in range(BURST):
            expect(await next_of(events), ([number], {}), "the event")

    async def publish_exclusion():
        await a.publish("interop.topic", 1, options=ACKNOWLEDGED)
        await silence_of(events)
        options = PublishOptions(acknowledge=True, exclude_me=False)
        await a.publish("interop.topic", 2, options=options)
        expect(await next_of(events), ([2], {}), "the event")

    async def publish_eligible():
        to_b = PublishOptions(acknowledge=True, eligible=[b._session_id])
        await b.publish("interop.topic", 1, options=to_b)
        await silence_of(events)
        to_a = PublishOptions(acknowledge=True, eligible=[a._session_id], exclude=[1])
        await b.publish("interop.topic", 2, options=to_a)
        expect(await next_of(events), ([2], {}), "the event")

    async def unsubscribe():
        await sessions["subscription"].unsubscribe()
        await b.publish("interop.topic", 1, options=ACKNOWLEDGED)
        await silence_of(events)

    async def subscribe_pattern():
        async def matched(value, details):
            events.put_nowait((details.topic, value))

        for match, pattern, topic in [
            ("prefix", "interop.pre", "interop.prefix.x"),
            ("wildcard", "interop..wild", "interop.very.wild"),
        ]:
            options = SubscribeOptions(match=match, details=True)
            subscription = await a.subscribe(matched, pattern, options=options)
            await b.publish(topic, match, options=ACKNOWLEDGED)
            expect(await next_of(events), (topic, match), "the event")
            await subscription.unsubscribe()

    async def register():
        async def fail(*args):
            raise ApplicationError("interop.error.failed", *args, reason="asked to")

        async def progress(count, details):
            for number in range(count):
                details.progress(number)
            return "done"

        sessions["echo"] = await a.register(echo, "interop.echo")
        await a.register(fail, "interop.fail")
        options = RegisterOptions(details=True)
        await a.register(progress, "interop.progress", options=options)

    async def register_twice():
        try:
            await b.register(print, "interop.echo")
        except ApplicationError as error:
            expect(error.error, "wamp.error.procedure_already_exists", "the error")
        else:
            raise AssertionError("registered twice")

    async def call():
        result = await b.call("interop.echo", *VALUES, **KWARGS)
        expect(both(result), (VALUES, KWARGS), "the result")

    async def call_order():
        calls = [b.call("interop.echo", number) for number in range(BURST)]
        for number, result in enumerate(await asyncio.gather(*calls)):
            expect(result, number, "the result")

    async def call_progress():
        seen = []
        options = CallOptions(on_progress=seen.append)
        expect(await b.call("interop.progress", 3, options=options), "done", "the result")
        expect(seen, [0, 1, 2], "the progress")

    async def call_disclosed():
        async def who(details):
            return details.caller

        options = RegisterOptions(details=True)
        registration = await a.register(who, "interop.who", options=options)
        # Whether the caller may be known is the router's policy; the call itself must do.
        assert await b.call("interop.who") in (None, b._session_id)
        await registration.unregister()

    async def application_error():
        try:
            await b.call("interop.fail", 1, "two")
        except ApplicationError as error:
            expect(error.error, "interop.error.failed", "the error")
            expect(list(error.args), [1, "two"], "its arguments")
            expect(error.kwargs, {"reason": "asked to"}, "its keywords")
        else:
            raise AssertionError("no error")

    async def no_such_procedure():
        try:
            await b.call("interop.nobody.registered.this")
        except ApplicationError as error:
            expect(error.error, "wamp.error.no_such_procedure", "the error")
        else:
            raise AssertionError("no error")

    async def large():
        text = "x" * LARGE
        result = await b.call("interop.echo", text)
        assert result == text, "another text came back"
        await a.subscribe(heard, "interop.large")
        await b.publish("interop.large", text, options=ACKNOWLEDGED)
        assert await next_of(events) == ([text], {}), "another text was heard"

    async def binary():
        result = await b.call("interop.echo", BINARY, b"")
        expect(both(result), ([BINARY, b""], {}), "the result")

    async def cancel():
        started, stopped = asyncio.Event(), asyncio.Event()

        async def hang():
            started.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopped.set()
                raise

        await a.register(hang, "interop.hang")
        pending = b.call("interop.hang")
        await started.wait()
        pending.cancel()
        await stopped.wait()
        # A late CANCEL, for a call that is over, does no harm either.
        expect(await b.call("interop.echo", 1), 1, "the result")

    async def call_timeout():
        if not b._router_roles["dealer"].call_timeout:
            raise Skip("the router does not announce it")
        try:
            await b.call("interop.hang", options=CallOptions(timeout=200))
        except ApplicationError as error:
            assert error.error in ("wamp.error.canceled", "wamp.error.timeout"), error.error
        else:
            raise AssertionError("no error")

    async def unregister():
        await sessions["echo"].unregister()
        try:
            await b.call("interop.echo")
        except ApplicationError as error:
            expect(error.error, "wamp.error.no_such_procedure", "the error")
        else:
            raise AssertionError("no error")

    async def shared_registration():
        async def first():
            return "a"

        async def second():
            return "b"

        options = RegisterOptions(invoke="roundrobin")
        await a.register(first, "interop.shared", options=options)
        await b.register(second, "interop.shared", options=options)
        answers = [await b.call("interop.shared") for _ in range(4)]
        expect(sorted(answers), ["a", "a", "b", "b"], "the answers")

    async def drop():
        c = await join(url, serializer)
        started = asyncio.Event()

        async def hang():
            started.set()
            await asyncio.sleep(60)

        await c.register(hang, "interop.dropped")
        pending = b.call("interop.dropped")
        await started.wait()
        c._transport.transport.abort()
        try:
            await pending
        except ApplicationError as error:
            assert error.error.startswith("wamp.error."), error.error
        else:
            raise AssertionError("no error")
        await no_such_procedure()

    async def leave():
        for session in (a, b):
            expect(await session.gone(), "wamp.close.goodbye_and_out", "the reason")

    for step in [
        subscribe, publish, publish_order, publish_exclusion, publish_eligible, unsubscribe,
        subscribe_pattern, register, register_twice, call, call_order, call_progress,
        call_disclosed, application_error, no_such_procedure, large, binary, cancel, call_timeout,
        unregister, shared_registration, drop, leave,
    ]:
        await steps.run(step.__name__, step)


async def serve(url, serializer, name):
    session = await join(url, serializer)

    async def fail(*args):
        raise ApplicationError("interop.error.failed", *args)

    async def said(*args, **kwargs):
        session.publish(f"interop.{name}.heard", *args, **kwargs)

    async def progress(count, details):
        for number in range(count):
            details.progress(number)
        return "done"

    options = RegisterOptions(details=True)
    await session.register(progress, f"interop.{name}.progress", options=options)
    await session.register(echo, f"interop.{name}.echo")
    await session.register(fail, f"interop.{name}.fail")
    await session.subscribe(said, f"interop.{name}.said")
    print("ready", flush=True)
    await until_stdin_closes()
    await session.gone()


async def call(url, serializer, name, steps):
    sessions = []

    async def joining():
        sessions.append(await join(url, serializer))

    await steps.run("join", joining)
    session = sessions[0]

    async def call():
        result = await session.call(f"interop.{name}.echo", *VALUES, **KWARGS)
        expect(both(result), (VALUES, KWARGS), "the result")

    async def binary():
        result = await session.call(f"interop.{name}.echo", BINARY)
        expect(result, BINARY, "the result")

    async def application_error():
        try:
            await session.call(f"interop.{name}.fail", 1, "two")
        except ApplicationError as error:
            expect(error.error, "interop.error.failed", "the error")
            expect(list(error.args), [1, "two"], "its arguments")
        else:
            raise AssertionError("no error")

    async def publish():
        events = asyncio.Queue()

        async def heard(*args, **kwargs):
            events.put_nowait((list(args), kwargs))

        await session.subscribe(heard, f"interop.{name}.heard")
        session.publish(f"interop.{name}.said", *VALUES, **KWARGS)
        expect(await next_of(events), (VALUES, KWARGS), "the event")

    for step in [call, binary, application_error, publish]:
        await steps.run(step.__name__, step)
    await session.gone()


async def gone(url, serializer, name, steps):
    """The server of `name` was killed: soon, nothing is left of it."""

    async def nothing_left():
        session = await join(url, serializer)
        while True:
            try:
                await session.call(f"interop.{name}.echo")
            except ApplicationError as error:
                expect(error.error, "wamp.error.no_such_procedure", "the error")
                break
            await asyncio.sleep(0.05)
        await session.gone()

    await steps.run("killed", nothing_left)


async def crossing(url, serializer, shards, steps):
    """Sessions on all shards, each talking to each. An id tells the shard by its remainder."""
    sessions = []
    heard = asyncio.Queue()

    async def joining():
        # Others come and go meanwhile, so which shard is next cannot be told.
        homes = []
        while len(homes) < 20 * shards and min(map(homes.count, range(shards))) < 2:
            sessions.append(await join(url, serializer))
            homes.append(sessions[-1]._session_id % shards)
        expect(set(homes), set(range(shards)), "the shards the sessions live on")

    async def calls():
        for number, session in enumerate(sessions):

            async def answer(number=number):
                return number

            await session.register(answer, f"interop.crossing.p{number}")
        for session in sessions:
            for number in range(len(sessions)):
                answered = await session.call(f"interop.crossing.p{number}")
                expect(answered, number, "the answer")

    async def events():
        for number, session in enumerate(sessions):

            async def event(sender, index, number=number):
                heard.put_nowait((number, sender, index))

            await session.subscribe(event, "interop.crossing.topic")
        for index in range(BURST):
            for number, session in enumerate(sessions):
                session.publish("interop.crossing.topic", number, index)
        # Between any two of them, the order of sending is the order of arrival.
        last = {}
        for _ in range(BURST * len(sessions) * (len(sessions) - 1)):
            receiver, sender, index = await next_of(heard)
            expect(index, last.get((receiver, sender), -1) + 1, "the next event")
            last[receiver, sender] = index
        await silence_of(heard)

    async def leave():
        for session in sessions:
            await session.gone()

    for name, step in [("join", joining), ("calls", calls), ("events", events), ("leave", leave)]:
        await steps.run(name, step)


async def main():
    url, serializer, role, *name = [*sys.argv[1:], "check"] if len(sys.argv) < 4 else sys.argv[1:]
    steps = Steps()
    if role == "check":
        await check(url, serializer, steps)
    elif role == "serve":
        await serve(url, serializer, name[0])
    elif role == "call":
        await call(url, serializer, name[0], steps)
    elif role == "gone":
        await gone(url, serializer, name[0], steps)
    elif role == "crossing":
        await crossing(url, serializer, int(name[0]), steps)
    elif role in ("authenticate", "authenticator"):
        def made():
            return None if serializer == "default" else [SERIALIZERS[serializer]()]

        if role == "authenticator":
            await serve_authenticator(url, made, REALM)
        else:
            await authenticate(url, made, REALM, name[0], steps)
    elif role == "features":
        await AutobahnPython(partial(join, url, serializer)).run(steps, name)
    steps.finish()


asyncio.run(main())
