"""What xconn makes of every advanced feature."""

import asyncio

from xconn import exception
from xconn.types import Result

from features.common import Features, Heard, Invocation, Refused, Subscribed
from steps import REALM, Skip


class Adapter:
    """One of its sessions, behind the names of all."""

    def __init__(self, session):
        self.session = session
        self.id = session._base_session.id

    async def call(self, procedure, *args, kwargs=None, **options):
        result = await refusing(self.session.call(procedure, list(args), kwargs, options))
        return result.args or []

    async def register(self, procedure, handler, **options):
        async def endpoint(told):
            try:
                invocation = Invocation(told.args or [], told.kwargs or {}, told.details)
                return Result(await handler(invocation))
            except Refused as refusal:
                raise exception.ApplicationError(refusal.uri, *refusal.arguments)

        registration = await refusing(self.session.register(procedure, endpoint, options))
        return registration.registration_id

    async def subscribe(self, topic, **options):
        events = asyncio.Queue()

        async def heard(event):
            events.put_nowait(Heard(event.args or [], event.kwargs or {}, event.details))

        subscription = await refusing(self.session.subscribe(topic, heard, options))
        return Subscribed(subscription.subscription_id, events)

    async def publish(self, topic, *args, **options):
        options["acknowledge"] = True
        await refusing(self.session.publish(topic, list(args), None, options))

    async def leave(self):
        await self.session.leave()

    async def left(self):
        # It does not keep the reason.
        await self.session._goodbye_request


async def refusing(pending):
    try:
        return await pending
    except exception.ApplicationError as error:
        raise Refused(error.message, error.args) from error


class XconnPython(Features):
    def __init__(self, join):
        async def adapted(realm):
            return Adapter(await join(realm=realm))

        super().__init__(adapted)

    async def progressive_call_results(self):
        raise Skip("the first RESULT of a call is the last to it, and it sends one YIELD")

    async def progressive_call_invocations(self):
        raise Skip("a call of it has one CALL")

    async def call_canceling(self):
        raise Skip("it knows neither CANCEL nor INTERRUPT")

    async def registration_revocation(self):
        await self.revoke_registration(await self.join(REALM))
        raise Skip("it does not announce it, so it is not told")

    async def subscription_revocation(self):
        await self.revoke_subscription(await self.join(REALM))
        raise Skip("it does not announce it, so it is not told")

    async def payload_passthru_mode(self):
        raise Skip("it announces it in no role")

    async def batched(self):
        raise Skip("it has no batched serializer")

    async def sessions_in_turn(self):
        raise Skip("its connection ends with its session")
