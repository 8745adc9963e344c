"""xconn on asyncio: URL (ws://… or rs://…), SERIALIZER, and what to do."""

import asyncio
import sys
from functools import partial

from wampproto import serializers
from xconn import exception
from xconn.async_client import AsyncClient
from xconn.types import Result

from authentication.xconn_python import authenticate
from features.xconn_python import XconnPython
from steps import BINARY, BURST, KWARGS, LARGE, REALM, VALUES
from steps import Skip, Steps, expect, next_of, silence_of, until_stdin_closes

SERIALIZERS = {
    "json": serializers.JSONSerializer,
    "msgpack": serializers.MsgPackSerializer,
    "cbor": serializers.CBORSerializer,
}

ACKNOWLEDGED = {"acknowledge": True}


async def join(url, serializer, realm=REALM):
    return await AsyncClient(serializer=SERIALIZERS[serializer]()).connect(url, realm)


async def echo(invocation):
    return Result(invocation.args, invocation.kwargs)


async def fail(invocation):
    raise exception.ApplicationError("interop.error.failed", *invocation.args)


async def fails(call, uri, args=None):
    """Awaits `call`, which has to fail with the error `uri`."""
    try:
        await call
    except exception.ApplicationError as error:
        expect(error.message, uri, "the error")
        if args is not None:
            expect(list(error.args), args, "its arguments")
    else:
        raise AssertionError("no error")


async def check(url, serializer, steps):
    sessions = {}
    events = asyncio.Queue()

    async def heard(event):
        events.put_nowait((event.args, event.kwargs))

    async def joining():
        sessions["a"] = await join(url, serializer)
        sessions["b"] = await join(url, serializer)

    await steps.run("join", joining)
    a, b = sessions["a"], sessions["b"]

    async def subscribe():
        sessions["subscription"] = await a.subscribe("interop.topic", heard)

    async def publish():
        await b.publish("interop.topic", VALUES, KWARGS, ACKNOWLEDGED)
        expect(await next_of(events), (VALUES, KWARGS), "the event")

    async def publish_order():
        for number in range(BURST):
            await b.publish("interop.topic", [number])
        for number in range(BURST):
            args, _ = await next_of(events)
            expect(args, [number], "the event")

    async def publish_exclusion():
        await a.publish("interop.topic", [1], None, ACKNOWLEDGED)
        await silence_of(events)
        await a.publish("interop.topic", [2], None, {"acknowledge": True, "exclude_me": False})
        expect((await next_of(events))[0], [2], "the event")

    async def unsubscribe():
        await sessions["subscription"].unsubscribe()
        await b.publish("interop.topic", [1], None, ACKNOWLEDGED)
        await silence_of(events)

    async def subscribe_pattern():
        async def matched(event):
            events.put_nowait((event.details.get("topic"), event.args[0]))

        for match, pattern, topic in [
            ("prefix", "interop.pre", "interop.prefix.x"),
            ("wildcard", "interop..wild", "interop.very.wild"),
        ]:
            subscription = await a.subscribe(pattern, matched, {"match": match})
            await b.publish(topic, [match], None, ACKNOWLEDGED)
            expect(await next_of(events), (topic, match), "the event")
            await subscription.unsubscribe()

    async def register():
        sessions["echo"] = await a.register("interop.echo", echo)
        await a.register("interop.fail", fail)

    async def register_twice():
        uri = "wamp.error.procedure_already_exists"
        await fails(b.register("interop.echo", echo), uri)

    async def call():
        result = await b.call("interop.echo", VALUES, KWARGS)
        expect((result.args, result.kwargs), (VALUES, KWARGS), "the result")

    async def call_order():
        calls = [b.call("interop.echo", [number]) for number in range(BURST)]
        for number, result in enumerate(await asyncio.gather(*calls)):
            expect(result.args, [number], "the result")

    async def application_error():
        await fails(b.call("interop.fail", [1, "two"]), "interop.error.failed", [1, "two"])

    async def no_such_procedure():
        await fails(b.call("interop.nobody.registered.this"), "wamp.error.no_such_procedure")

    async def large():
        text = "x" * LARGE
        result = await b.call("interop.echo", [text])
        assert result.args == [text], "another text came back"

    async def binary():
        if serializer == "json":
            raise Skip("xconn has no octets in JSON")
        result = await b.call("interop.echo", [BINARY, b""])
        expect(result.args, [BINARY, b""], "the result")

    async def cancel():
        raise Skip("xconn cannot cancel")

    async def unregister():
        await sessions["echo"].unregister()
        await fails(b.call("interop.echo"), "wamp.error.no_such_procedure")

    async def leave():
        for session in (a, b):
            await session.leave()
            assert session._goodbye_request.done(), "GOODBYE was not answered"

    for step in [
        subscribe, publish, publish_order, publish_exclusion, unsubscribe, subscribe_pattern,
        register, register_twice, call, call_order, application_error, no_such_procedure, large,
        binary, cancel, unregister, leave,
    ]:
        await steps.run(step.__name__, step)


async def serve(url, serializer, name):
    session = await join(url, serializer)

    async def said(event):
        await session.publish(f"interop.{name}.heard", event.args, event.kwargs)

    await session.register(f"interop.{name}.echo", echo)
    await session.register(f"interop.{name}.fail", fail)
    await session.subscribe(f"interop.{name}.said", said)
    print("ready", flush=True)
    await until_stdin_closes()
    await session.leave()


async def call(url, serializer, name, steps):
    sessions = []

    async def joining():
        sessions.append(await join(url, serializer))

    await steps.run("join", joining)
    session = sessions[0]

    async def call():
        result = await session.call(f"interop.{name}.echo", VALUES, KWARGS)
        expect((result.args, result.kwargs), (VALUES, KWARGS), "the result")

    async def binary():
        if serializer == "json":
            raise Skip("xconn has no octets in JSON")
        result = await session.call(f"interop.{name}.echo", [BINARY])
        # In CBOR some callees tag octets as an array of unsigned ones, which goes through as it is.
        expect([getattr(value, "value", value) for value in result.args], [BINARY], "the result")

    async def application_error():
        failing = session.call(f"interop.{name}.fail", [1, "two"])
        await fails(failing, "interop.error.failed", [1, "two"])

    async def publish():
        events = asyncio.Queue()

        async def heard(event):
            events.put_nowait((event.args, event.kwargs))

        await session.subscribe(f"interop.{name}.heard", heard)
        await session.publish(f"interop.{name}.said", VALUES, KWARGS)
        expect(await next_of(events), (VALUES, KWARGS), "the event")

    for step in [call, binary, application_error, publish]:
        await steps.run(step.__name__, step)
    await session.leave()


async def main():
    url, serializer, role, *name = [*sys.argv[1:], "check"] if len(sys.argv) < 4 else sys.argv[1:]
    steps = Steps()
    if role == "check":
        await check(url, serializer, steps)
    elif role == "serve":
        await serve(url, serializer, name[0])
    elif role == "call":
        await call(url, serializer, name[0], steps)
    elif role == "authenticate":
        await authenticate(url, SERIALIZERS[serializer], REALM, name[0], steps)
    elif role == "features":
        await XconnPython(partial(join, url, serializer)).run(steps, name)
    steps.finish()


asyncio.run(main())
