"""Registers a procedure and calls it. First: pip install autobahn"""

import asyncio, sys
from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession


class Hello(ApplicationSession):
    async def onJoin(self, details):
        await self.register(lambda name: f"Hello, {name}!", "com.example.hello")
        print(await self.call("com.example.hello", "world"))
        self.leave()

    def onDisconnect(self):
        asyncio.get_event_loop().stop()


url = sys.argv[1] if sys.argv[1:] else "ws://localhost:8080/ws"
ApplicationRunner(url, "realm1").run(Hello)
