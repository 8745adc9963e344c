"""What autobahn-python makes of every advanced feature."""

import asyncio
import json

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.interfaces import IPayloadCodec
from autobahn.wamp.types import CallDetails, CallOptions, CallResult, EncodedPayload, EventDetails
from autobahn.wamp.types import PublishOptions, RegisterOptions, SubscribeOptions

from features.common import DISCLOSED_REALM, Features, Gate, Heard, Invocation, Refused, Subscribed
from features.common import echo, refused
from steps import REALM, Part, Skip, expect, next_of

LOST = "wamp.close.transport_lost"


class Adapter:
    """One of its sessions, behind the names of all."""

    def __init__(self, session):
        self.session = session
        self.id = session._session_id
        self.revoked = session.revoked

    async def call(self, procedure, *args, kwargs=None, on_progress=None, **options):
        # With `details` a result is never bare; but then it fails on progress without keywords.
        options |= {"on_progress": on_progress} if on_progress else {"details": True}
        call = self.session.call(procedure, *args, options=CallOptions(**options), **(kwargs or {}))
        result = await refusing(call)
        return list(result.results) if isinstance(result, CallResult) else [result]

    async def register(self, procedure, handler, **options):
        async def endpoint(*args, details, **kwargs):
            told = {"caller": details.caller, "procedure": details.procedure}
            try:
                result = await handler(Invocation(list(args), kwargs, told, details.progress))
            except Refused as refusal:
                raise ApplicationError(refusal.uri, *refusal.arguments)
            return CallResult(*result)

        options = RegisterOptions(details=True, **options)
        registration = await refusing(self.session.register(endpoint, procedure, options=options))
        return registration.id

    async def subscribe(self, topic, **options):
        events = asyncio.Queue()

        async def heard(*args, details, **kwargs):
            told = {name: getattr(details, name) for name in ("topic", "publisher", "retained")}
            events.put_nowait(Heard(list(args), kwargs, told))

        options = SubscribeOptions(details=True, **options)
        subscription = await self.session.subscribe(heard, topic, options=options)
        return Subscribed(subscription.id, events)

    async def publish(self, topic, *args, **options):
        options = PublishOptions(acknowledge=True, **options)
        await refusing(self.session.publish(topic, *args, options=options))

    async def leave(self):
        await self.session.gone()

    async def left(self):
        return await self.session.left


async def refusing(pending):
    try:
        return await pending
    except ApplicationError as error:
        raise Refused(error.error, error.args) from error


class Codec(IPayloadCodec):
    """Makes payloads that are nobody's business but that of sessions with this codec."""

    def encode(self, is_originating, uri, args=None, kwargs=None):
        octets = json.dumps([uri, list(args or []), kwargs or {}]).encode()
        return EncodedPayload(octets, "x_features", "json")

    def decode(self, is_originating, uri, encoded_payload):
        expect(encoded_payload.enc_algo, "x_features", "the algorithm")
        expect(encoded_payload.enc_serializer, "json", "the serializer")
        return json.loads(encoded_payload.payload)


class AutobahnPython(Features):
    def __init__(self, join):
        async def adapted(realm, **options):
            return Adapter(await join(realm=realm, **options))

        super().__init__(adapted)

    async def progressive_call_invocations(self):
        raise Skip("a call of it has one CALL")

    async def call_canceling(self):
        stopped = asyncio.Event()

        async def hang(invocation):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopped.set()
                raise

        await self.a.register("features.hang", hang)
        entered = Gate()
        await self.a.register("features.entered", entered)
        entered.opened.set()
        call = self.b.session.call("features.hang")
        # What is called later arrives later, so the other is under way.
        await self.b.call("features.entered")
        call.cancel()
        await stopped.wait()
        expect(await self.b.call("features.entered", 1), [1], "the result")

    async def caller_identification(self):
        a, b = await self.join(DISCLOSED_REALM), await self.join(DISCLOSED_REALM)
        await a.register(f"features.{REALM}.who", self.who)
        expect(await b.call(f"features.{REALM}.who"), [b.id], "the caller")
        raise Part("it cannot ask for `disclose_me`; where the realm discloses, it is told")

    async def publisher_identification(self):
        a, b = await self.join(DISCLOSED_REALM), await self.join(DISCLOSED_REALM)
        subscribed = await a.subscribe(f"features.{REALM}.publisher")
        await b.publish(f"features.{REALM}.publisher", 1)
        expect((await subscribed.next()).details["publisher"], b.id, "the publisher")
        raise Part("it cannot ask for `disclose_me`; where the realm discloses, it is told")

    async def call_trustlevels(self):
        assert "trustlevel" not in CallDetails.__slots__, "it has it"
        raise Skip("the details it gives to procedures have no trust level")

    async def publication_trustlevels(self):
        assert "trustlevel" not in EventDetails.__slots__, "it has it"
        raise Skip("the details it gives to handlers have no trust level")

    async def subscription_revocation(self):
        c = await self.join(REALM)
        await self.revoke_subscription(c)
        expect(await c.left(), LOST, "why it left")
        await self.until_gone(c)
        raise Skip("it announces it, but takes the router's UNSUBSCRIBED for a violation")

    async def payload_passthru_mode(self):
        a, b = await self.join(REALM), await self.join(REALM)
        for adapter in (a, b):
            adapter.session.set_payload_codec(Codec())
        await a.register("features.secret", echo)
        expect(await b.call("features.secret", "text", 1), ["text", 1], "the result")
        subscribed = await a.subscribe("features.secret")
        await b.publish("features.secret", "text", 2)
        await subscribed.expect("text", 2)
        raise Part("it speaks its own older form (`enc_algo` and a binary for all arguments)")

    async def batched(self):
        a, b = await self.join(REALM, batched=True), await self.join(REALM, batched=True)
        chosen = a.session._transport._serializer.SERIALIZER_ID
        assert chosen.endswith(".batched"), chosen
        await a.register("features.batched", echo)
        results = await asyncio.gather(*[b.call("features.batched", n) for n in range(100)])
        expect(results, [[n] for n in range(100)], "the results")

    async def sessions_in_turn(self):
        c = await self.join(REALM)
        await c.register("features.turn", echo)
        await c.session.leave_for_another()
        second = Adapter(c.session)
        assert second.id != c.id, "the same session again"
        await refused(self.b.call("features.turn"), "wamp.error.no_such_procedure")
        await second.register("features.turn", echo)
        expect(await self.b.call("features.turn", 1), [1], "the result")
