from autobahn.asyncio.component import Component, run

component = Component(transports="ws://127.0.0.1:8080/ws", realm="realm1")

@component.on_join
async def joined(session, details):
    await session.register(lambda name: f"Hello, {name}!", "com.example.hello")
    print(await session.call("com.example.hello", "WAMP"))
    await session.leave()

run([component])
