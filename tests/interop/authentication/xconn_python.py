"""xconn proves who it is: by its own code for each method, as a file of cases says."""

import json
from functools import partial

from wampproto import auth
from xconn.async_client import AsyncClient

from steps import Skip, expect


def way_of(case):
    authid = case.get("authid", "")
    match case["method"]:
        case "anonymous":
            return auth.AnonymousAuthenticator(authid)
        case "ticket":
            return auth.TicketAuthenticator(authid, case["ticket"])
        case "wampcra":
            return auth.WAMPCRAAuthenticator(authid, case["secret"])
        case "cryptosign":
            return auth.CryptoSignAuthenticator(authid, case["private_key"])
        case method:
            raise Skip(f"xconn has no {method}")


async def authenticate(url, serializer, realm, path, steps):
    with open(path) as file:
        cases = json.load(file)
    for case in cases:
        await steps.run(case["step"], partial(check, url, serializer, realm, case))


async def check(url, serializer, realm, case):
    if {"url", "cookie", "keeps", "shows", "before", "challenge"} & case.keys():
        raise Skip("xconn's own options do not go so far")
    client = AsyncClient(way_of(case), serializer())
    try:
        session = await client.connect(url, case.get("realm", realm))
    except Skip:
        raise
    except Exception as fault:
        wanted = case["expect"].get("reason")
        assert wanted and wanted in str(fault), f"{type(fault).__name__}: {fault}"
        return
    known = session._base_session
    outcome = {"role": known.authrole, "authid": known.authid}
    await session.leave()
    for name, value in case["expect"].items():
        if name not in ("method", "provider"):
            expect(outcome.get(name), value, f"{name} in {outcome}")
