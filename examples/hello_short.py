"""The same in four lines. First: pip install xconn"""

import sys
from xconn.client import connect_anonymous
from xconn.types import Result

session = connect_anonymous(sys.argv[1] if sys.argv[1:] else "ws://localhost:8080/ws", "realm1")
session.register("com.example.hello", lambda call: Result([f"Hello, {call.args[0]}!"]))
print(session.call("com.example.hello", ["world"]).args[0])
session.leave()
