from xconn.client import connect_anonymous
from xconn.types import Result

session = connect_anonymous("ws://127.0.0.1:8080/ws", "realm1")
session.register("com.example.hello", lambda call: Result([f"Hello, {call.args[0]}!"]))
print(session.call("com.example.hello", ["WAMP"]).args[0])
session.leave()
